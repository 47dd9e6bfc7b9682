# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Profiles: which experiments are run, how large and how often. The table to tune counts in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from bench.errors import UsageError
from bench.linux.pages import PAGE_BYTES
from bench.plan import duet
from bench.plan.budgets import KIB, MIB
from bench.plan.config import Consumer, Poll, Producer, TrialConfig
from bench.plan.duration import MOST_PER_S, nominal_rate_per_s
from bench.plan.experiments import REFERENCE, Experiment, compose
from bench.tracer.transports import find
from workloads.storm import Gap, Shape, Spawn, Storm

DEFAULT_SEED: Final = 1
TRANSPORTS: Final = ("ringbuf", REFERENCE)
RINGBUF, PERFBUF = TRANSPORTS
LADDER_STORMS: Final = 20
"""Storms without a loss that a rung of the ladder takes: the upper 95 % bound is then 14 %."""

DUET_STORMS: Final = 24
DUET_WINDOW: Final = "1ms"
"""Each window has its own wake-ups, so that both see what they would alone; docs/metrics.md."""

LEAST_CHAINED: Final = 2_048
"""Processes in chains of eight that give 1,792 causal pairs, where at least 1,000 are wanted."""

LEAST_PAIRED: Final = 2_100
"""Processes in ping-pong pairs that give 1,050 causal pairs."""

EPOLL: Final = Consumer(poll=Poll.EPOLL)
BUSY: Final = Consumer(poll=Poll.BUSY)
TIMED: Final = Consumer(poll=Poll.TIMED, interval_ms=5.0)
STALLED: Final = Consumer(poll=Poll.EPOLL, stall_after_ms=20.0, stall_ms=100.0)
AWAY: Final = Consumer(poll=Poll.STOPPED)

_PACED_PER_S: Final = 3_000.0
"""Processes of each CPU, less than half of what it can make."""

LARGE_PAYLOAD_BYTES: Final = 768
"""Of 840-byte records 1 MiB holds 1,236, and a quarter of a page one: every budget can lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one run does."""

    name: str
    experiments: tuple[Experiment, ...]
    seed: int = DEFAULT_SEED
    left_out: tuple[str, ...] = ()  # experiments and arms, and why, in words


class Choice(Enum):
    """Which of a scale's budgets an experiment runs."""

    ALL = "all"
    USUAL = "the usual one"
    TIGHT = "the least and the usual one"
    LARGEST = "the largest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a profile chooses: how long, how often, and which budgets."""

    storm_s: float  # length aimed at for most storms
    ladder_s: float  # the same on the ladder; 0: no ladder
    blocks: int
    least_bytes: int
    usual_bytes: int
    largest_bytes: int
    between_bytes: tuple[int, ...] = ()

    def budgets_bytes(self, choice: Choice) -> tuple[int, ...]:
        """Return the budgets meant, ascending."""
        ends = (self.least_bytes, self.usual_bytes, self.largest_bytes)
        chosen = {
            Choice.ALL: (*ends, *self.between_bytes),
            Choice.USUAL: ends[1:2],
            Choice.TIGHT: ends[:2],
            Choice.LARGEST: ends[2:],
        }
        return tuple(sorted(set(chosen[choice])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One experiment in the table, before it is scaled."""

    name: str
    title: str
    storm: Storm
    budgets: Choice = Choice.ALL
    consumer: Consumer = EPOLL
    seconds: float = 1.0  # length, in units of the scale's
    least: int = 1  # processes, whatever the scale
    baselines: bool = False
    twins: bool = False
    kernel_stats: bool = False
    payload_bytes: int = 0
    duet: bool = False  # both transports within the same storms


def storms(cpus: int) -> dict[Shape, Storm]:
    """Return one storm of each shape, not yet scaled, for ``cpus`` usable CPUs."""
    workers = max(2, cpus)
    return {
        Shape.STORM: Storm(shape=Shape.STORM, workers=workers, spawn=Spawn.VFORK),
        Shape.BURST: Storm(shape=Shape.BURST, workers=1, spawn=Spawn.FORK, burst_size=1_000),
        Shape.CHAIN: Storm(shape=Shape.CHAIN, workers=workers, spawn=Spawn.FORK, depth=8),
        Shape.PINGPONG: Storm(shape=Shape.PINGPONG, workers=1, spawn=Spawn.FORK),
        Shape.HOTCPU: Storm(shape=Shape.HOTCPU, workers=2, spawn=Spawn.VFORK),
        Shape.TRICKLE: Storm(
            shape=Shape.TRICKLE,
            workers=1,
            spawn=Spawn.VFORK,
            rate_per_s=2_000.0,
            gap=Gap.EXPONENTIAL,
        ),
    }


def _rows(cpus: int) -> tuple[Row, ...]:
    """Return what every profile runs."""
    storm = storms(cpus)
    paced_per_s = min(_PACED_PER_S * cpus, MOST_PER_S)
    return (
        Row(
            name="storm",
            title="Which drops fewer when processes come and go as fast as they can?",
            storm=storm[Shape.STORM],
            baselines=True,
            twins=True,
        ),
        Row(
            name="burst",
            title="Which drops fewer when many processes exit at once and the consumer is away?",
            storm=storm[Shape.BURST],
            consumer=AWAY,
            least=1_000,
            baselines=True,
        ),
        Row(
            name="chain",
            title="Which keeps children before the parents that reaped them, drained every 5 ms?",
            storm=storm[Shape.CHAIN],
            budgets=Choice.USUAL,
            consumer=TIMED,
            least=LEAST_CHAINED,
            baselines=True,
        ),
        Row(
            name="pingpong",
            title="Which keeps order across two CPUs, drained every 5 ms?",
            storm=storm[Shape.PINGPONG],
            budgets=Choice.USUAL,
            consumer=TIMED,
            least=LEAST_PAIRED,
            baselines=True,
        ),
        Row(
            name="hotcpu",
            title="Which drops fewer when one CPU makes all events and the consumer is away?",
            storm=storm[Shape.HOTCPU],
            budgets=Choice.TIGHT,
            consumer=AWAY,
            least=1_000,
            baselines=True,
        ),
        Row(
            name="stall",
            title="Which drops fewer when the consumer reads nothing for 100 ms?",
            # Paced, or what comes within the 100 ms differs more than the transports do.
            storm=replace(storm[Shape.STORM], rate_per_s=paced_per_s),
            budgets=Choice.TIGHT,
            consumer=STALLED,
            least=round(paced_per_s * 1.5 * STALLED.stall_ms / 1e3),
        ),
        Row(
            name="large",
            title="Which drops fewer when records are 840 bytes long and the consumer is away?",
            storm=storm[Shape.STORM],
            consumer=AWAY,
            payload_bytes=LARGE_PAYLOAD_BYTES,
            least=2_000,
        ),
        Row(
            name="cost",
            title="Which costs less in the kernel, for each exit?",
            storm=storm[Shape.STORM],
            budgets=Choice.LARGEST,
            kernel_stats=True,
        ),
        Row(
            name="storm-duet",
            title="Which delivers sooner and takes less time to write, within the same storms?",
            storm=storm[Shape.STORM],
            budgets=Choice.LARGEST,
            seconds=2.0,
            duet=True,
        ),
        Row(
            name="trickle-duet",
            title="The same far below capacity",
            storm=storm[Shape.TRICKLE],
            budgets=Choice.LARGEST,
            seconds=2.3,
            duet=True,
        ),
    )


def _more_rows(cpus: int) -> tuple[Row, ...]:
    """Return what longer profiles run besides: other ways to wait."""
    storm = storms(cpus)
    waits = (("busy", "polled without a rest", BUSY), ("timed", "drained every 5 ms", TIMED))
    eager = (("epoll", "on epoll", EPOLL), waits[0])
    return (
        Row(
            name="trickle",
            title="Which delivers sooner far below capacity?",
            storm=storm[Shape.TRICKLE],
            budgets=Choice.USUAL,
            seconds=2.0,
            baselines=True,
            twins=True,
        ),
        *(
            Row(
                name=f"storm-{name}",
                title=f"Which drops fewer under a storm, {words}?",
                storm=storm[Shape.STORM],
                consumer=consumer,
            )
            for name, words, consumer in waits
        ),
        *(
            Row(
                name=f"chain-{name}",
                title=f"Which keeps children before the parents that reaped them, {words}?",
                storm=storm[Shape.CHAIN],
                budgets=Choice.USUAL,
                consumer=consumer,
                least=LEAST_CHAINED,
            )
            for name, words, consumer in eager
        ),
        *(
            Row(
                name=f"pingpong-{name}",
                title=f"Which keeps order across two CPUs, {words}?",
                storm=storm[Shape.PINGPONG],
                budgets=Choice.USUAL,
                consumer=consumer,
                least=LEAST_PAIRED,
            )
            for name, words, consumer in eager
        ),
        *(
            Row(
                name=f"trickle-{name}",
                title=f"Which delivers sooner far below capacity, {words}?",
                storm=storm[Shape.TRICKLE],
                budgets=Choice.USUAL,
                consumer=consumer,
            )
            for name, words, consumer in waits
        ),
    )


def sized(storm: Storm, *, seconds: float, least: int = 1) -> Storm:
    """Size ``storm`` to take about ``seconds``, with ``least`` processes or more."""
    count = max(least, round(nominal_rate_per_s(storm) * seconds))
    if storm.shape is Shape.BURST:  # whole bursts
        count = max(1, round(count / storm.burst_size)) * storm.burst_size
    return replace(storm, count=count)


def _experiment(row: Row, scale: Scale, cpus: int) -> Experiment:
    config = TrialConfig(
        transport="none",
        budget_bytes=0,
        storm=sized(row.storm, seconds=scale.storm_s * row.seconds, least=row.least),
        producer=Producer(payload_bytes=row.payload_bytes),
        consumer=row.consumer,
        kernel_stats=row.kernel_stats,
    )
    if row.duet:
        return duet.experiment(
            row.name,
            row.title,
            (duet.Side(transport=find(RINGBUF)), duet.Side(transport=find(PERFBUF))),
            replace(config, duet=duet.assignment(DUET_WINDOW)),
            max(scale.largest_bytes, 4 * PAGE_BYTES << (cpus - 1).bit_length()),
            blocks=DUET_STORMS,
            cpus=cpus,
        )
    return compose(
        name=row.name,
        title=row.title,
        config=config,
        transports=map(find, TRANSPORTS),
        budgets_bytes=scale.budgets_bytes(row.budgets),
        blocks=scale.blocks,
        cpus=cpus,
        baselines=row.baselines,
        twins_at=scale.usual_bytes if row.twins else None,
    )


def _ladder(scale: Scale, cpus: int) -> Experiment:
    """Double budgets from 2 data pages on; every rung is one comparison."""
    rungs = tuple(PAGE_BYTES << power for power in range(1, 40) if PAGE_BYTES << power <= MIB)
    return compose(
        name="ladder",
        title="What is the least budget at which 20 storms lose nothing?",
        config=TrialConfig(
            transport="none",
            budget_bytes=0,
            storm=sized(storms(cpus)[Shape.STORM], seconds=scale.ladder_s),
        ),
        transports=map(find, TRANSPORTS),
        budgets_bytes=rungs,
        blocks=LADDER_STORMS,
        cpus=cpus,
    )


_QUICK: Final = Scale(
    storm_s=0.1,
    ladder_s=0.0,
    blocks=8,
    least_bytes=2 * PAGE_BYTES,
    usual_bytes=64 * KIB,
    largest_bytes=MIB,  # a whole short storm
)
_SCALES: Final = {
    "quick": _QUICK,
    "standard": replace(_QUICK, storm_s=0.6, ladder_s=0.25, blocks=8),
    "thorough": replace(
        _QUICK,
        storm_s=1.7,
        ladder_s=1.0,
        blocks=16,
        between_bytes=(4 * PAGE_BYTES, 32 * KIB, 256 * KIB),
    ),
}

NAMES: Final = tuple(_SCALES)


def census_budgets_bytes(name: str) -> tuple[int, ...]:
    """Return the budgets whose memory a profile looks at; () for no profile."""
    if not name:
        return ()
    return (64 * KIB,) if name == "quick" else (64 * KIB, MIB, 16 * MIB)


def profile(name: str, cpus: Sequence[int]) -> Profile:
    """Return profile ``name`` for the usable CPUs ``cpus``, by their numbers.

    Raises UsageError for a name that is not one of ``NAMES``.
    """
    scale = _SCALES.get(name)
    if scale is None:
        raise UsageError(f"there is no profile {name!r}", remedy=f"take one of {', '.join(NAMES)}")
    count = len(cpus)
    rows = _rows(count) + (_more_rows(count) if scale.ladder_s else ())
    lacking = [row for row in rows if count < max(row.storm.shape.cpus, 1 + row.duet)]
    experiments = tuple(_experiment(row, scale, count) for row in rows if row not in lacking)
    if scale.ladder_s:
        experiments += (_ladder(scale, count),)
    return Profile(
        name=name,
        experiments=experiments,
        left_out=(
            *(f"{row.name}: left out, it needs two CPUs and may use one" for row in lacking),
            *omitted(experiments),
        ),
    )


def quickly(names: Iterable[str], cpus: Sequence[int]) -> tuple[Experiment, ...]:
    """Return experiments of any profile as large and as often as ``quick`` would run them."""
    count = len(cpus)
    rows = {row.name: row for row in (*_rows(count), *_more_rows(count))}
    return tuple(_experiment(rows[name], _QUICK, count) for name in names)


def omitted(experiments: Iterable[Experiment]) -> tuple[str, ...]:
    """Return the arms that ``experiments`` do without, each with its experiment and why."""
    return tuple(f"{each.name}, {words}" for each in experiments for words in each.omitted)
