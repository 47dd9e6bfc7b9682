# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Kill runs at random moments: nothing is lost or left, and --resume ends the same."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Final

import pytest
from moments import Faults
from tracing import bufbench
from victim import TARGETS, Victim, abandoned_folders, begun, strike, victim

from bench.journal.reader import read_journal
from bench.trial.result import TrialResult

pytestmark = [pytest.mark.live, pytest.mark.slow]

BLOCKS: Final = 3
SOME: Final = 2
STORMS: Final = {
    "storm": ["--count", "2000"],
    "burst": ["--count", "1000", "--burst", "500"],
    "chain": ["--count", "1600", "--spawn", "fork"],
    "threads": ["--count", "200"],
    "trickle": ["--count", "300", "--rate", "3000"],
}
LONGEST_S: Final = (
    2.0  # of a run from its start; what comes later hits the same as what came before
)


class Runs:
    """Write runs to a journal; a kill may end each at any moment."""

    def __init__(self, folder: Path, shape: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.journal = folder / "run.jsonl"
        self.arguments = [
            *("run", "--workload", shape, *STORMS[shape], "--blocks", str(BLOCKS)),
            *("--budget", "64KiB", "--output", str(self.journal), "--quiet", "--wait"),
        ]  # fmt: skip

    def next(self) -> list[str]:
        """Return arguments of the run that goes on, or of the first."""
        return [*self.arguments, "--resume"] if begun(self.journal) else self.arguments

    def whole_lines(self) -> int:
        """Return the lines of trials, as the file has them."""
        lines = self.journal.read_bytes().split(b"\n")[:-1] if self.journal.exists() else []
        return sum(b'"kind":"trial"' in line for line in lines)

    def trials(self) -> tuple[TrialResult, ...]:
        """Return those that can be read; the line that was being written may be torn."""
        return read_journal(self.journal).trials if self.journal.exists() else ()

    @property
    def over(self) -> bool:
        return len(self.trials()) == BLOCKS * 2

    def check_whole(self) -> None:
        """Check for the set of an undisturbed run, each trial once and none invalid for it."""
        places = [(trial.arm, trial.block) for trial in self.trials()]
        arms = ("perfbuf@64KiB", "ringbuf@64KiB")
        assert sorted(places) == sorted((arm, block) for arm in arms for block in range(BLOCKS))
        for trial in self.trials():
            assert trial.ledger is not None
            assert trial.ledger.balanced, trial.reasons


def hit(runs: Runs, target: str, moment: random.Random, soon_s: float) -> tuple[bool, float]:
    """Run once, killed unless it ends before; return whether, and how soon nothing was left."""
    before = runs.trials()
    with victim(runs.folder, runs.next()) as struck:
        struck_there = _strike_at(struck, target, moment)
        if not struck_there:
            assert struck.process.wait(timeout=60) == 0, struck.stderr()
        elif target in ("harness", "consumer"):
            assert struck.ended_after_s() < soon_s
            struck_there = struck.process.returncode == -signal.SIGKILL
            # Otherwise it was already exiting when the signal came.
            assert struck_there or (struck.process.returncode == 0 and runs.over), struck.stderr()
        else:
            _check_reported(struck, soon_s)
        gone_s = struck.gone_after_s()
        assert gone_s < soon_s
    after = runs.trials()
    assert after[: len(before)] == before
    # A line is on the disk before the next trial begins: only the last one can be torn.
    assert len(after) == runs.whole_lines()
    return struck_there, gone_s


def _strike_at(struck: Victim, target: str, moment: random.Random) -> bool:
    if not struck.wait_for(moment.uniform(0.05, LONGEST_S)):
        return False
    # The others are there for parts of the time only: the first one after the moment.
    return strike(struck, target, delay_s=moment.uniform(0.0, 0.05) * (target != "harness"))


def _check_reported(struck: Victim, soon_s: float) -> None:
    """Check that the harness named what happened and ended, or could do without the storm."""
    ended_s = struck.ended_after_s()
    code, said = struck.process.returncode, struck.stderr()
    assert "Traceback" not in said
    if code == 0:  # how much a wake-up costs here is then not known; all trials are there
        return
    assert code == 4, said
    assert ended_s < soon_s, said
    assert said.splitlines()[-1].startswith("bufbench: the generator"), said


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_kill_loses_nothing_and_leaves_nothing(
    target: str, tmp_path: Path, faults: Faults
) -> None:
    wanted, moment = faults.times(SOME, of=len(TARGETS)), faults.moments("kill", target)
    runs = Runs(tmp_path / "0", "storm")
    kills, journals, slowest_s = 0, 0, 0.0
    while kills < wanted or not runs.over:
        if runs.over:
            runs.check_whole()
            journals += 1
            runs = Runs(tmp_path / str(journals), moment.choice(sorted(STORMS)))
        if kills < wanted:
            struck, gone_s = hit(runs, target, moment, faults.soon_s)
            kills += struck
            slowest_s = max(slowest_s, gone_s)
        else:
            done = bufbench(*runs.next())
            assert done.returncode == 0, done
        # Whatever was started last has swept what those before it left.
    runs.check_whole()
    assert abandoned_folders() == []
    faults.note("kills", kills)
    faults.note("nothing_left_after_s", round(slowest_s, 3))
