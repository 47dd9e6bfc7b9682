# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make map calls beside a storm: the ledger still adds up, and the callers leave again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tracing import eventually
from trials import KIB, run

from bench.errors import MachineUnfit
from bench.plan.config import TrialConfig
from bench.trial.result import State
from bench.trial.rig import Rig
from workloads import mapcallers
from workloads.storm import Spawn, Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]


def callers() -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "comm").read_text() == "mapcalls\n":
                    found.add(int(entry.name))
            except OSError:  # it ended while we looked
                continue
    return found


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_a_trial_beside_them_balances(rig: Rig, transport: str) -> None:
    """Report what the kernel skipped as missed, whether this one skips anything or not."""
    before = callers()
    trial = run(
        rig,
        TrialConfig(
            transport=transport,
            budget_bytes=256 * KIB,
            storm=Storm(count=600, spawn=Spawn.FORK),
            map_callers=2,
        ),
    )
    book = trial.ledger
    assert book is not None
    assert book.residues == ()
    assert book.own_exits + book.missed == book.reaped == trial.storm.reaped
    assert trial.state is not State.INVALID
    assert (trial.state is State.DISTURBED) == (book.missed > 0)
    assert callers() == before


def test_they_call_until_the_context_ends() -> None:
    before = callers()
    with mapcallers.calling(3):
        assert len(callers() - before) == 3
    assert callers() == before


CALLING = (
    "import time; from workloads import mapcallers\nwith mapcallers.calling(2): time.sleep(60)"
)


def test_they_end_with_their_parent() -> None:
    before = callers()
    folder = str(Path(mapcallers.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": folder}
    with subprocess.Popen([sys.executable, "-c", CALLING], env=environment) as parent:
        assert eventually(lambda: len(callers() - before) == 2)
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: callers() == before)


def test_one_that_is_missing_or_fails_is_reported(tmp_path: Path) -> None:
    with (
        pytest.raises(MachineUnfit, match="cannot start"),
        mapcallers.calling(1, executable=tmp_path / "none"),
    ):
        pass
    with (
        pytest.raises(MachineUnfit, match="not ready"),
        mapcallers.calling(1, executable=Path("/bin/true")),
    ):
        pass
