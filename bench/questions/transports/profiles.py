# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define profiles: which experiments are run, how large and how often."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.errors import UsageError
from bench.linux.pages import PAGE_BYTES
from bench.plan.arms import ArmSpec, assignment, compose, compose_duet, side
from bench.plan.budgets import KIB, MIB
from bench.plan.config import Consumer, Poll, Producer, TrialConfig
from bench.plan.duration import MOST_PER_S, nominal_rate_per_s
from bench.plan.experiments import LADDER_STORMS, REFERENCE, Experiment
from bench.tracer.transports import find
from workloads.storm import Gap, Shape, Spawn, Storm

DEFAULT_SEED: Final = 1
TRANSPORTS: Final = ("ringbuf", REFERENCE)
RINGBUF, PERFBUF = TRANSPORTS

DUET_STORMS: Final = 24
DUET_WINDOW: Final = "1ms"
"""Each window has its own wake-ups, so that both arms behave as if alone; docs/metrics.md."""

LEAST_CHAINED: Final = 2_048
"""Processes in chains of eight that give 1,792 causal pairs, where at least 1,000 are needed."""

LEAST_PAIRED: Final = 2_100
"""Processes in ping-pong pairs that give 1,050 causal pairs."""

EPOLL: Final = Consumer(poll=Poll.EPOLL)
BUSY: Final = Consumer(poll=Poll.BUSY)
TIMED: Final = Consumer(poll=Poll.TIMED, interval_ms=5.0)
STALLED: Final = Consumer(poll=Poll.EPOLL, stall_after_ms=20.0, stall_ms=100.0)
AWAY: Final = Consumer(poll=Poll.STOPPED)

_PACED_PER_S: Final = 3_000.0
"""Processes per CPU, less than half of what it can make."""

LARGE_PAYLOAD_BYTES: Final = 768
"""Of 840-byte records 1 MiB holds 1,236, and a quarter of a page one: every budget can lose."""

_USUAL_BYTES: Final = 64 * KIB
_EVERY: Final = (2 * PAGE_BYTES, _USUAL_BYTES, MIB)  # the largest holds a whole short storm
_TIGHT: Final = _EVERY[:2]
_USUAL: Final = _EVERY[1:2]
_LARGEST: Final = _EVERY[2:]
_RUNGS: Final = tuple(PAGE_BYTES << power for power in range(1, (MIB // PAGE_BYTES).bit_length()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """List the experiments of one run."""

    name: str
    experiments: tuple[Experiment, ...]
    seed: int = DEFAULT_SEED
    left_out: tuple[str, ...] = ()  # experiments and arms, and why, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Set how long a profile's storms are, and how often they run."""

    storm_s: float  # length aimed at for most storms
    ladder_s: float  # the same on the ladder; 0: no ladder
    blocks: int
    between_bytes: tuple[int, ...] = ()  # additional budgets, if an experiment runs every one


@dataclass(frozen=True, slots=True)
class _Row:
    """Describe one experiment in the table, before it is scaled."""

    name: str
    shape: Shape
    consumer: Consumer = EPOLL
    budgets_bytes: tuple[int, ...] = _EVERY
    seconds: float = 1.0  # length, in units of the scale's
    least: int = 1  # processes, whatever the scale
    paced: bool = False  # below capacity, for half as long again as a stall or longer
    baselines: bool = False
    twins: bool = False
    kernel_stats: bool = False
    payload_bytes: int = 0
    duet: bool = False  # both transports within the same storms
    ladder: bool = False  # every rung is one comparison, of storms as long as the scale's ladder


def storms(cpus: int) -> dict[Shape, Storm]:
    """Return one storm of each shape, not yet scaled, for ``cpus`` usable CPUs."""
    every, fork, vfork = max(2, cpus), Spawn.FORK, Spawn.VFORK
    slow = Storm(shape=Shape.TRICKLE, workers=1, spawn=vfork, rate_per_s=2_000.0)
    found = (
        Storm(shape=Shape.STORM, workers=every, spawn=vfork),
        Storm(shape=Shape.BURST, workers=1, spawn=fork, burst_size=1_000),
        Storm(shape=Shape.CHAIN, workers=every, spawn=fork, depth=8),
        Storm(shape=Shape.PINGPONG, workers=1, spawn=fork),
        Storm(shape=Shape.HOTCPU, workers=2, spawn=vfork),
        replace(slow, gap=Gap.EXPONENTIAL),
    )
    return {storm.shape: storm for storm in found}


_DROPS: Final = "Which drops fewer"
_CHAIN: Final = "Which keeps children before the parents that reaped them"
_PINGPONG: Final = "Which keeps order across two CPUs"
_TRICKLE: Final = "Which delivers sooner far below capacity"

_TITLES: Final = {
    "storm": f"{_DROPS} when processes come and go as fast as they can?",
    "burst": f"{_DROPS} when many processes exit at once and the consumer is not reading?",
    "chain": f"{_CHAIN}, drained every 5 ms?",
    "pingpong": f"{_PINGPONG}, drained every 5 ms?",
    "hotcpu": f"{_DROPS} when one CPU makes all events and the consumer is not reading?",
    "stall": f"{_DROPS} when the consumer reads nothing for 100 ms?",
    "large": f"{_DROPS} when records are 840 bytes long and the consumer is not reading?",
    "cost": "Which costs less in the kernel, for each exit?",
    "storm-duet": "Which delivers sooner and takes less time to write, within the same storms?",
    "trickle-duet": "The same far below capacity",
    "trickle": f"{_TRICKLE}?",
    "storm-busy": f"{_DROPS} under a storm, polled without a rest?",
    "storm-timed": f"{_DROPS} under a storm, drained every 5 ms?",
    "chain-epoll": f"{_CHAIN}, on epoll?",
    "chain-busy": f"{_CHAIN}, polled without a rest?",
    "pingpong-epoll": f"{_PINGPONG}, on epoll?",
    "pingpong-busy": f"{_PINGPONG}, polled without a rest?",
    "trickle-busy": f"{_TRICKLE}, polled without a rest?",
    "trickle-timed": f"{_TRICKLE}, drained every 5 ms?",
    "ladder": "What is the least budget at which 20 storms lose nothing?",
}
"""The question of each experiment."""

_ROWS: Final = (
    _Row("storm", Shape.STORM, baselines=True, twins=True),
    _Row("burst", Shape.BURST, AWAY, least=1_000, baselines=True),
    _Row("chain", Shape.CHAIN, TIMED, _USUAL, least=LEAST_CHAINED, baselines=True),
    _Row("pingpong", Shape.PINGPONG, TIMED, _USUAL, least=LEAST_PAIRED, baselines=True),
    _Row("hotcpu", Shape.HOTCPU, AWAY, _TIGHT, least=1_000, baselines=True),
    # Paced, or the arrivals within the 100 ms differ more than the transports do.
    _Row("stall", Shape.STORM, STALLED, _TIGHT, paced=True),
    _Row("large", Shape.STORM, AWAY, payload_bytes=LARGE_PAYLOAD_BYTES, least=2_000),
    _Row("cost", Shape.STORM, budgets_bytes=_LARGEST, kernel_stats=True),
    _Row("storm-duet", Shape.STORM, seconds=2.0, duet=True),
    _Row("trickle-duet", Shape.TRICKLE, seconds=2.3, duet=True),
)
"""The experiments of every profile."""

_MORE_ROWS: Final = (
    _Row("trickle", Shape.TRICKLE, EPOLL, _USUAL, seconds=2.0, baselines=True, twins=True),
    _Row("storm-busy", Shape.STORM, BUSY),
    _Row("storm-timed", Shape.STORM, TIMED),
    _Row("chain-epoll", Shape.CHAIN, EPOLL, _USUAL, least=LEAST_CHAINED),
    _Row("chain-busy", Shape.CHAIN, BUSY, _USUAL, least=LEAST_CHAINED),
    _Row("pingpong-epoll", Shape.PINGPONG, EPOLL, _USUAL, least=LEAST_PAIRED),
    _Row("pingpong-busy", Shape.PINGPONG, BUSY, _USUAL, least=LEAST_PAIRED),
    _Row("trickle-busy", Shape.TRICKLE, BUSY, _USUAL),
    _Row("trickle-timed", Shape.TRICKLE, TIMED, _USUAL),
    _Row("ladder", Shape.STORM, budgets_bytes=_RUNGS, ladder=True),
)
"""The additional experiments of longer profiles: other ways to wait, and the ladder of budgets."""


def sized(storm: Storm, *, seconds: float, least: int = 1) -> Storm:
    """Size ``storm`` to take about ``seconds``, with ``least`` processes or more."""
    count = max(least, round(nominal_rate_per_s(storm) * seconds))
    if storm.shape is Shape.BURST:  # whole bursts
        count = max(1, round(count / storm.burst_size)) * storm.burst_size
    return replace(storm, count=count)


def _experiment(row: _Row, scale: _Scale, cpus: int) -> Experiment:
    storm, least = storms(cpus)[row.shape], row.least
    if row.paced:
        storm = replace(storm, rate_per_s=min(_PACED_PER_S * cpus, MOST_PER_S))
        least = round(storm.rate_per_s * 1.5 * STALLED.stall_ms / 1e3)
    seconds = scale.ladder_s if row.ladder else scale.storm_s * row.seconds
    config = TrialConfig(
        transport="none",
        budget_bytes=0,
        storm=sized(storm, seconds=seconds, least=least),
        producer=Producer(payload_bytes=row.payload_bytes),
        consumer=row.consumer,
        kernel_stats=row.kernel_stats,
    )
    if row.duet:
        return compose_duet(
            row.name,
            _TITLES[row.name],
            (ArmSpec(transport=find(RINGBUF)), ArmSpec(transport=find(PERFBUF))),
            replace(config, duet=assignment(DUET_WINDOW)),
            max(*_LARGEST, 4 * PAGE_BYTES << (cpus - 1).bit_length()),
            blocks=DUET_STORMS,
            cpus=cpus,
        )
    between_bytes = scale.between_bytes if row.budgets_bytes == _EVERY else ()
    return compose(
        name=row.name,
        title=_TITLES[row.name],
        config=config,
        sides=[ArmSpec(transport=find(each), producer=config.producer) for each in TRANSPORTS],
        budgets_bytes=sorted((*row.budgets_bytes, *between_bytes)),
        blocks=LADDER_STORMS if row.ladder else scale.blocks,
        cpus=cpus,
        baselines=row.baselines,
        twins_at=_USUAL_BYTES if row.twins else None,
    )


_QUICK: Final = _Scale(storm_s=0.1, ladder_s=0.0, blocks=8)
_BETWEEN_BYTES: Final = (4 * PAGE_BYTES, 32 * KIB, 256 * KIB)
_SCALES: Final = {
    "quick": _QUICK,
    "standard": _Scale(storm_s=0.6, ladder_s=0.25, blocks=8),
    "thorough": _Scale(storm_s=1.7, ladder_s=1.0, blocks=16, between_bytes=_BETWEEN_BYTES),
}

NAMES: Final = tuple(_SCALES)


def census_budgets_bytes(name: str) -> tuple[int, ...]:
    """Return the budgets whose memory a profile examines; () without a profile."""
    if not name:
        return ()
    return _USUAL if name == "quick" else (_USUAL_BYTES, MIB, 16 * MIB)


def profile(name: str, cpus: Sequence[int]) -> Profile:
    """Return profile ``name`` for the usable CPUs ``cpus``, by their numbers.

    Raises UsageError for a name that is not one of ``NAMES``.
    """
    scale = _SCALES.get(name)
    if scale is None:
        raise UsageError(f"there is no profile {name!r}", remedy=f"take one of {', '.join(NAMES)}")
    count = len(cpus)
    rows = _ROWS + (_MORE_ROWS if scale.ladder_s else ())
    lacking = [row for row in rows if count < max(row.shape.cpus, 1 + row.duet)]
    experiments = tuple(_experiment(row, scale, count) for row in rows if row not in lacking)
    needs = (f"{row.name}: left out, it needs two CPUs and may use one" for row in lacking)
    return Profile(name=name, experiments=experiments, left_out=(*needs, *omitted(experiments)))


def quickly(names: Iterable[str], cpus: Sequence[int]) -> tuple[Experiment, ...]:
    """Return experiments of any profile at the size and number of blocks of ``quick``."""
    rows = {row.name: row for row in _ROWS + _MORE_ROWS}
    return tuple(_experiment(rows[name], _QUICK, len(cpus)) for name in names)


def omitted(experiments: Iterable[Experiment]) -> tuple[str, ...]:
    """Return the arms left out of ``experiments``, each with its experiment and the reason."""
    return tuple(f"{each.name}, {words}" for each in experiments for words in each.omitted)


TORN: Final = "torn"
"""The experiment whose records may tear."""

_PROGRAMS: Final = {RINGBUF: ("scratch", "raw", "raw:scratch", "tp_btf:scratch")}
_HELD_NS: Final = 500_000
"""Time for which a program holds its record, so that a timer tick interrupts it then."""

_WORKERS: Final = 4  # per CPU, so that another one is always runnable
_MOST_WORKERS: Final = 256
_LEAST_PROCESSES: Final = 150


def torn(storm: Storm, transports: Sequence[str], *, cpus: int, blocks: int) -> Experiment:
    """Return arms whose records may tear when their programs are preempted, and arms that must not.

    ``storm`` uses fork. It gets more workers than there are CPUs, so that a preempted program is
    followed by another process's exit on its CPU.
    """
    workers = min(_WORKERS * cpus, _MOST_WORKERS)
    storm = replace(storm, workers=workers, count=max(_LEAST_PROCESSES, workers, storm.count))
    sides = [
        side(f"{transport}:{words}:delay={_HELD_NS}", find)
        for transport in transports
        for words in _PROGRAMS.get(transport, ("raw:scratch",))
    ]
    return compose(
        name=TORN,
        title="Does a program that is preempted send what it did not write?",
        config=TrialConfig(transport="none", budget_bytes=0, storm=storm),
        sides=sides,
        budgets_bytes=(MIB,),
        blocks=blocks,
        cpus=cpus,
    )
