# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hit guests at random moments: kill their QEMU or their harness, or ask the harness to end.

Each takes many seconds, so they are for ./run faults; tests/guests has one of each.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Final

import psutil
import pytest
from moments import Faults
from real_kernels import provided
from victim import Victim, abandoned_folders, victim

from bench.guests.boot import CONSOLE
from bench.questions.kernels import outcome

pytestmark = [pytest.mark.live, pytest.mark.slow]

LABEL: Final = "6.1-cloud"
RARELY: Final = 40  # of the faults asked for
LONGEST_S: Final = 12.0
CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


@pytest.fixture(autouse=True)
def _asked_for(faults: Faults) -> None:
    if not faults.times(0, of=RARELY):
        pytest.skip("takes minutes; ./run faults has it")
    provided(LABEL)


def qemu(hit: Victim) -> psutil.Process | None:
    """Return the machine that a guest runs in, while there is one."""
    for process in hit.offspring():
        try:
            if process.name().startswith("qemu-system"):
                return process
        except psutil.NoSuchProcess:
            continue
    return None


def words(folder: Path) -> list[str]:
    limit = ["--time-limit", "60"]
    return ["kernels", "run", LABEL, "--emulate", *limit, "--output", str(folder / "run")]


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_no_guest_outlives_a_harness_that_ends(
    number: signal.Signals, tmp_path: Path, faults: Faults
) -> None:
    moment, slowest_s = faults.moments("guests", number), 0.0
    for turn in range(faults.times(0, of=RARELY)):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with victim(folder, words(folder)) as hit:
            hit.await_handlers()
            after_s = moment.uniform(0.0, LONGEST_S)
            assert hit.wait_for(after_s), hit.stderr()
            hit.process.send_signal(number)
            ended_s = hit.ended_after_s()
            said = f"{number.name} after {after_s:.3f} s: {hit.stderr()}"
            assert hit.process.returncode == CODES[number], said
            assert ended_s < faults.soon_s, said
            assert "Traceback" not in said
            gone_s = hit.gone_after_s()
            assert gone_s < faults.soon_s
            slowest_s = max(slowest_s, ended_s + gone_s)
    faults.note("hits", faults.times(0, of=RARELY))
    faults.note("nothing_left_after_s", round(slowest_s, 3))


def test_a_killed_guest_costs_its_row_and_nothing_else(tmp_path: Path, faults: Faults) -> None:
    moment, kills = faults.moments("qemu"), 0
    while kills < faults.times(0, of=RARELY):
        folder = tmp_path / str(kills)
        folder.mkdir()
        with victim(folder, words(folder)) as hit:
            console = folder / "run" / LABEL / CONSOLE
            while hit.running() and not (console.exists() and console.stat().st_size):
                hit.wait_for(0.01)
            hit.wait_for(moment.uniform(0.0, LONGEST_S))
            machine = qemu(hit)
            assert machine is not None, hit.stderr()
            machine.kill()
            hit.process.wait(timeout=90)
            assert "Traceback" not in hit.stderr()
            assert hit.gone_after_s() < faults.soon_s
        said = json.loads((folder / "run" / LABEL / outcome.OUTCOME).read_text())
        assert said["status"] == outcome.Status.KILLED.value, said
        kills += 1
    assert abandoned_folders() == []
    faults.note("kills", kills)
