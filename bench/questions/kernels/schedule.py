# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Fit the matrix profile into a guest's time before it begins, so that no block is missing.

How long an experiment takes depends on the guest's speed. The factors are those of Debian's
kernels, emulated on 2 CPUs; finished experiments show how wrong they are on this machine, which
corrects the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from bench.amounts import counted, duration
from bench.plan.config import TrialConfig
from bench.plan.experiments import LADDER_STORMS, Experiment
from bench.questions.kernels.profile import BLOCKS, Setting
from workloads.storm import Shape

IMPORTANCE: Final = (
    *("storm", "chain", "memory-spread", "storm-duet", "memory-onecpu", "storm-noise"),
    *("cost", "refused", "trickle-duet", "torn"),
)
"""Each answers its own question before any answers one a second time."""

_TRIAL_S: Final = 0.22  # opening buffers, attaching, draining, measuring, writing a line
_TRIAL_PROCESSES: Final = (
    100.0  # what else a trial takes, in processes that a storm makes meanwhile
)
_SPEED: Final = {Shape.STORM: 0.85, Shape.CHAIN: 0.75, Shape.HOTCPU: 0.45}
"""Processes of a traced storm, per process that a bare one makes on all CPUs meanwhile."""
_SPEED_BESIDE_CALLERS: Final = 0.22
_CALIBRATION_S: Final = 0.8
_SPARE: Final = 0.04  # of the time


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """List the experiments for which there is time, in order, and those for which there is none."""

    experiments: tuple[Experiment, ...]
    left_out: tuple[str, ...]
    seconds: float  # roughly

    @property
    def words(self) -> str:
        """Return how much is planned, and what is left out, in words."""
        planned = f"{counted(len(self.experiments), 'experiment')} in {duration(self.seconds)}"
        return planned + (f", no time for {', '.join(self.left_out)}" if self.left_out else "")


def fitted(
    pending: Iterable[Experiment], on: Setting, left_s: float, *, slowness: float = 1.0
) -> Schedule:
    """Return a schedule for ``left_s``; a guest is ``slowness`` times slower than is expected.

    Blocks beyond those that a verdict needs are dropped first, evenly; then the least important
    experiments. The most important one of a profile always stays: its first blocks are better than
    nothing.
    """
    ordered, room_s = tuple(pending), left_s * (1 - _SPARE) / slowness
    chosen: list[Experiment] = []
    least_s = most_s = 0.0
    for each in sorted(ordered, key=lambda each: IMPORTANCE.index(each.name)):
        short = replace(each, blocks=_fewest(each))
        if least_s + seconds(short, on) <= room_s or each.name == IMPORTANCE[0]:
            chosen.append(each)
            least_s += seconds(short, on)
            most_s += seconds(each, on)
    share = 1.0 if most_s <= room_s else max(0.0, (room_s - least_s) / (most_s - least_s or 1.0))
    planned = tuple(
        replace(each, blocks=fewest + int(share * (each.blocks - fewest)))
        for each in ordered
        if each in chosen
        for fewest in [_fewest(each)]
    )
    return Schedule(
        experiments=planned,
        left_out=tuple(each.name for each in ordered if each not in chosen),
        seconds=slowness * sum(seconds(each, on) for each in planned),
    )


def seconds(experiment: Experiment, on: Setting) -> float:
    """Return how long all blocks of ``experiment`` are expected to take, in a usual guest."""
    block_s = sum(_storm_s(arm.config, on) for arm in experiment.arms[: experiment.storms])
    block_s += len(experiment.arms) * (_TRIAL_S + _TRIAL_PROCESSES / on.rate_per_s)
    return _CALIBRATION_S + experiment.blocks * block_s


def _storm_s(config: TrialConfig, on: Setting) -> float:
    storm = config.storm
    if storm.rate_per_s:
        return storm.count / storm.rate_per_s
    speed = _SPEED_BESIDE_CALLERS if config.map_callers else _SPEED[storm.shape]
    return min(storm.seconds, storm.count / (speed * on.rate_per_s))


def _fewest(experiment: Experiment) -> int:
    return LADDER_STORMS if experiment.name == "memory-spread" else min(BLOCKS, experiment.blocks)
