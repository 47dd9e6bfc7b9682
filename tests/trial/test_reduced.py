# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run storms that limits or time cut down: a state of the trial, compared with nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from trials import KIB, run

from bench.plan.config import TrialConfig
from bench.plan.experiments import ArmName
from bench.questions.transports.decision import verdict
from bench.questions.transports.summary import compare
from bench.trial.result import State
from bench.trial.rig import Rig
from workloads import cgroup
from workloads.generator import EXECUTABLE, Generator
from workloads.storm import Shape, Storm

pytestmark = pytest.mark.live

BURST = Storm(shape=Shape.BURST, count=600, burst_size=300)


def config(storm: Storm, transport: str = "ringbuf") -> TrialConfig:
    return TrialConfig(transport=transport, budget_bytes=1024 * KIB, storm=storm)


def bound_to(processes: int, folder: Path) -> Path:
    """Return a generator that RLIMIT_NPROC binds, and that may not lift the limit."""
    script = folder / "bound"
    script.write_text(
        "#!/bin/sh\nexec setpriv --inh-caps=-sys_resource --bounding-set=-sys_resource "
        f'prlimit --nproc={processes}:{processes} {EXECUTABLE} "$@"\n'
    )
    script.chmod(0o755)
    return script


def test_a_burst_below_rlimit_nproc_is_reduced(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = bound_to(70, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(
            rig, "generator", lambda storm: Generator(storm, executable=script, user=rig.storm_user)
        )
        lowered = run(rig, config(BURST))
    whole = run(rig, config(BURST))
    assert whole.state is not State.REDUCED
    assert whole.storm.at_once == 302
    assert lowered.state is State.REDUCED
    assert lowered.storm.reaped == whole.storm.reaped == 602
    assert 2 < lowered.storm.at_once <= 54
    assert lowered.reasons[0] == (
        f"limits lowered the storm from 302 processes at once to {lowered.storm.at_once}"
    )
    both = [
        replace(lowered, arm=ArmName.parse("ringbuf@1MiB")),
        replace(whole, arm=ArmName.parse("perfbuf@1MiB")),
    ]
    assert compare(both).comparisons == ()
    assert "1 of 2 storms reduced" in verdict(compare(both))[0]


@pytest.mark.parametrize("transport", ["none", "perfbuf"])
def test_a_storm_that_time_stops_is_reduced(rig: Rig, transport: str) -> None:
    trial = run(rig, config(Storm(count=1_000_000, seconds=0.05), transport))
    assert trial.state is State.REDUCED
    assert trial.reasons[0] == (
        f"its limit of 0.05 s stopped the storm after {trial.storm.reaped:,} of 1,000,002 processes"
    )


def test_a_storm_whose_processes_could_not_all_be_made_is_reduced(rig: Rig) -> None:
    group = rig._cgroup
    if group is None:
        pytest.skip("needs a pids cgroup")
    with pytest.MonkeyPatch.context() as patch:
        # A limit that comes after the generator has looked at what it may have.
        patch.setattr(cgroup.Cgroup, "bound", _bound_to(40))
        trial = run(rig, config(BURST))
    assert trial.state is State.REDUCED
    assert "could not be made" in trial.reasons[0]
    assert trial.storm.failed.keys() == {"EAGAIN"}


def _bound_to(processes: int) -> Callable[[cgroup.Cgroup, int], None]:
    def bound(group: cgroup.Cgroup, _: int) -> None:
        Path(group.folder, "pids.max").write_text(str(processes))

    return bound
