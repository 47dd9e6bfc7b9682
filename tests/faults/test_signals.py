# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Send Ctrl-C and SIGTERM at random moments: gone within 2 s, in a line, nothing left behind."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Final

import pytest
from moments import Faults
from tracing import BUFBENCH, bufbench
from victim import abandoned_folders, victim

from bench.journal.reader import read_journal

pytestmark = [pytest.mark.live, pytest.mark.slow]

SOME: Final = 1
SUITE: Final = [sys.executable, "-m", "bench.suite"]
RUN: Final = Path(__file__).parents[2] / "run"

COMMANDS: Final = {
    "run": [*BUFBENCH, "run", "--count", "1000", "--blocks", "1000", "--wait", "--output"],
    "burst": [*BUFBENCH, "run", "--workload", "burst", "--blocks", "1000", "--wait", "--output"],
    "stall": [*BUFBENCH, "run", "--stall", "60000", "--blocks", "1000", "--wait", "--output"],
    "timed": [
        *(*BUFBENCH, "run", "--poll", "timed", "--interval", "60000", "--blocks", "1000"),
        *("--wait", "--output"),
    ],
    "claims": [*BUFBENCH, "claims", "--blocks", "1000", "--wait", "--output"],
    "size": [*BUFBENCH, "size", "--rate", "2000", "--wait", "--output"],
    "trace": [*BUFBENCH, "trace"],
    "suite": [*SUITE, "--wait", "--journal"],
}
"""What does not end by itself within the time that a signal takes to come."""

LONGEST_S: Final = 2.5
CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_ends_it_soon_in_a_line_and_leaves_nothing(
    name: str, number: signal.Signals, tmp_path: Path, faults: Faults
) -> None:
    times = faults.times(SOME, of=len(COMMANDS) * len(CODES))
    moment = faults.moments(name, number)
    slowest_s = 0.0
    for turn in range(times):
        folder = tmp_path / str(turn)
        folder.mkdir()
        journal = folder / "run.jsonl"
        arguments = () if name == "trace" else (str(journal),)
        with victim(folder, arguments, COMMANDS[name]) as struck:
            struck.await_handlers()
            after_s = moment.uniform(0.0, LONGEST_S)
            struck.wait_for(after_s)
            struck.process.send_signal(number)
            ended_s = struck.ended_after_s()
            said = f"{number.name} {after_s:.3f} s after its start: {struck.stderr()}"
            assert struck.process.returncode == CODES[number], said
            assert ended_s < faults.soon_s, said
            assert "Traceback" not in struck.stderr(), said
            assert struck.gone_after_s() < faults.soon_s
        _check_line(struck.stderr(), number, name)
        if journal.exists():
            assert journal.read_bytes().endswith(b"\n")
            read_journal(journal, strict=True)
        slowest_s = max(slowest_s, ended_s)
    if abandoned_folders():  # it was late, and left the rest to the next start
        last = str(tmp_path / "last.jsonl")
        done = bufbench("run", "--count", "10", "--blocks", "1", "--wait", "--output", last)
        assert done.returncode == 0, done
    assert abandoned_folders() == []
    faults.note("signals", times)
    faults.note("gone_after_s", round(slowest_s, 3))


def _check_line(said: str, number: signal.Signals, name: str) -> None:
    """Check for one line, the last; progress and a table's notes may stand above it."""
    last = said.splitlines()[-1]
    if name == "trace" and " delivered, " in last:
        return
    word = "terminated" if number == signal.SIGTERM else "interrupted"
    assert last.startswith(f"bufbench: {word}"), said
    assert said.count(f"bufbench: {word}") == 1, said
