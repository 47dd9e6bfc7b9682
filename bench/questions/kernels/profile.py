# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the matrix profile: the experiments on each kernel, however slow its guest is.

Before each experiment the guest's speed is measured, and storms are sized by it. All storms use
fork: from about 6.16 on, a vfork parent continues before its child's exit event, so that vfork
would compare something else. One program for each transport serves all experiments but the last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from bench.linux.pages import PAGE_BYTES
from bench.plan.arms import ArmSpec, assignment, compose, compose_duet
from bench.plan.budgets import KIB, LARGEST_RING_BYTES, MIB
from bench.plan.config import Consumer, TrialConfig
from bench.plan.duration import nominal_rate_per_s
from bench.plan.experiments import LADDER_STORMS, Arm, ArmName, Experiment
from bench.questions.transports.profiles import (
    AWAY,
    EPOLL,
    TIMED,
    TRANSPORTS,
    storms,
    torn,
)
from bench.tracer.transports import find
from workloads.storm import Shape, Spawn, Storm

NAME: Final = "matrix"
BLOCKS: Final = 8
"""The fewest blocks that allow a verdict."""

CALIBRATION: Final = "calibration"
NOISE: Final = "storm-noise"
CENSUS_BYTES: Final = (64 * KIB, MIB)
"""Budgets at which memory is examined."""

CHAINED: Final = 1_160
"""Processes in chains of eight that give 1,000 causal pairs and some."""

_CALIBRATION_S: Final = 0.5
_STORM_S: Final = 0.35
_RUNG_EXITS: Final = 45  # for each CPU: about as many of 72 bytes and a header as a page holds
_REFUSED_PROCESSES: Final = 150  # for each CPU, of which a page holds at most a third
_REFUSED_S: Final = 2.0  # a guest that is slower makes half of them
_PACED_SHARE: Final = 0.25  # of the rate at full speed: far below capacity
_LEAST_PROCESSES: Final = 40
_TORN_BLOCKS: Final = 2
_DUET_STORMS: Final = 16
_DUET_S: Final = 0.95
_WINDOW_EXITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Describe the guest for which a plan is made."""

    rate_per_s: float  # processes that a bare storm makes on all CPUs
    cpus: int
    transports: tuple[str, ...] = TRANSPORTS
    raw: bool = True  # whether there are tracers for raw tracepoints

    def storm(self, shape: Shape, seconds: float) -> Storm:
        """Return a storm of this shape, by fork, that takes about ``seconds`` here."""
        storm = _by_fork(storms(self.cpus)[shape])
        speed = self.rate_per_s / nominal_rate_per_s(_by_fork(storms(self.cpus)[Shape.STORM]))
        rate_per_s = nominal_rate_per_s(storm) * speed
        if shape is Shape.TRICKLE:
            rate_per_s = max(10.0, self.rate_per_s * _PACED_SHARE)
            storm = replace(storm, rate_per_s=rate_per_s)
        return replace(storm, count=max(_LEAST_PROCESSES, round(rate_per_s * seconds)))


def _by_fork(storm: Storm) -> Storm:
    return replace(storm, spawn=Spawn.FORK)


def calibration(cpus: int) -> Experiment:
    """Return bare storms, bounded by time: how many processes a second this guest makes."""
    storm = replace(
        _by_fork(storms(cpus)[Shape.STORM]), count=1_000_000, seconds=_CALIBRATION_S, timed=True
    )
    arm = Arm(name=ArmName("none"), config=_config(storm))
    return Experiment(name=CALIBRATION, title="How fast is this guest now?", arms=(arm,), blocks=1)


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Return all experiments, in the order of running."""
    usual_bytes = 64 * KIB
    storm = _config(on.storm(Shape.STORM, _STORM_S))
    chain = replace(on.storm(Shape.CHAIN, 0.0), count=CHAINED)
    counted = replace(storm, kernel_stats=True)
    wanted = _REFUSED_PROCESSES * buffers(on)
    refused = replace(
        counted.storm, count=max(min(wanted, round(on.rate_per_s * _REFUSED_S)), wanted // 2)
    )
    title = "Which delivers sooner and takes less time to write, within the same storms?"
    duets = (
        ("storm-duet", title, Shape.STORM),
        ("trickle-duet", "The same far below capacity", Shape.TRICKLE),
    )
    tearing = torn(storm.storm, on.transports, cpus=on.cpus, blocks=_TORN_BLOCKS)
    of = partial(_experiment, on)
    return (
        of("storm", "Which drops fewer?", storm, usual_bytes, first=True),
        of(
            "chain",
            "Which keeps children before the parents that reaped them, drained every 5 ms?",
            _config(chain, TIMED),
            usual_bytes,
        ),
        *(_duet(on, *each) for each in duets if len(on.transports) > 1 and on.cpus > 1),
        of(
            NOISE,
            "What does the kernel skip while others make bpf() map calls?",
            replace(storm, map_callers=max(2, on.cpus)),
            usual_bytes,
        ),
        of("cost", "Which costs less in the kernel, for each exit?", counted, MIB),
        of(
            "refused",
            "What does a write that finds no space cost?",
            replace(counted, storm=refused, consumer=AWAY),
            buffers(on) * PAGE_BYTES,
        ),
        _ladder(on, "memory-spread", Shape.STORM, LADDER_STORMS),
        _ladder(on, "memory-onecpu", Shape.HOTCPU, BLOCKS),
        *([tearing] if on.raw else []),
    )


def _duet(on: Setting, name: str, title: str, shape: Shape) -> Experiment:
    """Return a duet of both transports, whose buffers hold the storm.

    A window has some exits, however slow the guest is; otherwise no arm would ever settle.
    """
    first, second = (ArmSpec(transport=find(each)) for each in on.transports)
    storm = on.storm(shape, _DUET_S)
    window_ms = max(1, round(1e3 * _WINDOW_EXITS / (storm.rate_per_s or on.rate_per_s)))
    config = replace(_config(storm), duet=assignment(f"{min(window_ms, 1_000)}ms"))
    room_bytes = max(MIB, 4 * PAGE_BYTES * buffers(on))
    return compose_duet(
        name, title, (first, second), config, room_bytes, blocks=_DUET_STORMS, cpus=on.cpus
    )


def _config(storm: Storm, consumer: Consumer = EPOLL) -> TrialConfig:
    return TrialConfig(transport="none", budget_bytes=0, storm=storm, consumer=consumer)


def buffers(on: Setting) -> int:
    """Return a power of two, at least 2, so that a ring and all CPUs' pages agree."""
    return 1 << max(1, (on.cpus - 1).bit_length())


def _ladder(on: Setting, name: str, shape: Shape, blocks: int) -> Experiment:
    """Return storms read only after their end: what is lost depends on capacity alone.

    From the budget that holds them in one buffer to the one at which each CPU's buffer holds them
    all, or the largest of a ring.
    """
    storm = on.storm(shape, 0.0)
    storm = replace(storm, count=_RUNG_EXITS * buffers(on) - storm.workers)
    doublings = (buffers(on) - 1).bit_length()
    rungs = (buffers(on) * PAGE_BYTES << step for step in range(doublings + 1))
    return _experiment(
        on,
        name,
        "What is the least budget that holds a storm whose consumer is not reading?",
        _config(storm, AWAY),
        *(each for each in rungs if each <= LARGEST_RING_BYTES),
        blocks=blocks,
    )


def _experiment(
    on: Setting,
    name: str,
    title: str,
    config: TrialConfig,
    *budgets_bytes: int,
    blocks: int = BLOCKS,
    first: bool = False,  # with baselines and A/A twins
) -> Experiment:
    return compose(
        name=name,
        title=title,
        config=config,
        sides=[ArmSpec(transport=find(each), producer=config.producer) for each in on.transports],
        budgets_bytes=budgets_bytes,
        blocks=blocks,
        cpus=on.cpus,
        baselines=first,
        twins_at=budgets_bytes[0] if first else None,
    )
