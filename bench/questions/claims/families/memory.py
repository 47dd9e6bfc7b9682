# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about memory: how much it takes to lose nothing, and how RSS counts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import itemgetter
from statistics import median
from typing import Final

from bench.amounts import size, times
from bench.judge.floor import LEAST_MARGIN
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import Consumer, Poll
from bench.plan.experiments import LADDER_STORMS, Experiment
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import ContrastOf, Of, over, said
from bench.questions.claims.contrast import shared, sides
from bench.questions.claims.evidence import Evidence, NotMeasured, Series, series
from bench.questions.claims.planner import MORE_BLOCKS, Planner, experiment, power_of_two, trial
from bench.questions.claims.quantities import dropped_share, rss_over_physical
from bench.questions.claims.rules import above, held, inside, mean_above
from bench.questions.transports.profiles import AWAY, storms
from workloads.storm import Shape

LADDERS: Final = ("capacity-spread", "capacity-onecpu")
_LEAST_RSS_BYTES: Final = 8 * budgets.MIB  # below, other mappings of the process matter too much


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return the least budgets that hold a storm, spread over CPUs and on one.

    The consumer is not reading, so only room decides: the 600 records of a CPU fill three quarters
    of 64 KiB, on either transport. As CPUs double, storms are drained.
    """
    known = storms(on.count)
    spread = replace(known[Shape.STORM], count=600 * on.workers)
    away = {"capacity-spread": spread, "capacity-onecpu": replace(known[Shape.HOTCPU], count=600)}
    half = on.count // 2
    fewer = replace(spread, workers=half, count=600 * half, cpus=on.cpus[:half])
    drained = {"memory-spread": spread, "memory-half": fewer}
    top_bytes = 128 * budgets.KIB * power_of_two(on.workers) // 2
    least_bytes = 4 * PAGE_BYTES
    rungs = [least_bytes << power for power in range(20) if least_bytes << power <= top_bytes]
    every_10_ms = Consumer(poll=Poll.TIMED, interval_ms=10.0)
    return tuple(
        experiment(
            name,
            f"What is the least budget that {words}?",
            [arm for rung in rungs for arm in on.each(rung, {"": trial(storm, consumer)})],
            twins=(),
            blocks=blocks,
        )
        for kinds, words, consumer, blocks in (
            (away, "holds a storm", AWAY, MORE_BLOCKS),
            (drained, "loses nothing, drained every 10 ms", every_10_ms, LADDER_STORMS),
        )
        for name, storm in kinds.items()
    )


def least_lossless(evidence: Evidence, experiment: str, transport: str) -> Series:
    """Return, for each block, the least budget from which upwards nothing was lost.

    If even the largest lost something, twice that: more would be needed.
    """
    name = evidence.samples(experiment).name
    rungs = sorted(
        (
            (budgets.parse(arm.name.budget), series(name, arm, dropped_share))
            for arm in evidence.arms(experiment, transport, variant="")
        ),
        key=itemgetter(0),
        reverse=True,
    )
    if len(rungs) < 2:
        raise NotMeasured(experiment)
    least = dict.fromkeys(shared(*(lost for _, lost in rungs)), 2.0 * rungs[0][0])
    for place in least:
        for budget_bytes, lost in rungs:
            if lost.values[place]:
                break
            least[place] = float(budget_bytes)
    return Series(
        experiment=name,
        arms=tuple(arm for _, lost in rungs for arm in lost.arms),
        values=least,
        loads={place: rungs[0][1].loads.get(place, ()) for place in least},
    )


def largest(evidence: Evidence, experiment: str, transport: str) -> int:
    """Return the largest budget, in bytes, that was tried."""
    return max(budgets.parse(arm.name.budget) for arm in evidence.arms(experiment, transport))


class _Least(Of):
    """Take the least lossless budget of a transport."""

    def __call__(self, evidence: Evidence) -> Series:
        return least_lossless(evidence, self.experiment, self.transport)


_least = partial(_Least, dropped_share)
_compared = partial(over, margin=LEAST_MARGIN)


def less_memory(what: str, experiment: str) -> ContrastOf:
    """Compare the least lossless budget of the perf buffers with the ring's."""
    return _compared(what, _least(experiment, "perfbuf"), _least(experiment, "ringbuf"))


_DOUBLED: Final = [
    _least(experiment, transport)
    for transport in ("perfbuf", "ringbuf")
    for experiment in ("memory-spread", "memory-half")
]


def _budgets(evidence: Evidence) -> Iterator[str]:
    for kind in LADDERS:
        perf, ring = (_least(kind, way)(evidence) for way in ("perfbuf", "ringbuf"))
        most = largest(evidence, kind, "perfbuf")
        of_perf, of_ring = (
            size(least) if least <= most else f"above {size(most)}" for least in sides(perf, ring)
        )
        levels = f"rb {of_ring}, pb {of_perf}"
        yield f"{kind}, least lossless budget, median over blocks: {levels}"


def _rss(evidence: Evidence) -> list[Series]:
    parts = [
        series(name, arm, rss_over_physical)
        for name in ("producers", "busy-poll")
        for arm in evidence.arms(name, "ringbuf")
        if arm.trials and arm.trials[0].config.budget_bytes >= _LEAST_RSS_BYTES
    ]
    if not parts:
        raise NotMeasured("producers")
    return parts


def _rss_of_perf(evidence: Evidence) -> Iterator[str]:
    shares = [
        memory.observed.rss_bytes / memory.footprint.physical_bytes
        for arm in evidence.arms("producers", "perfbuf")
        for trial in arm.trials
        if (memory := trial.memory) is not None and memory.observed.rss_bytes is not None
    ]
    if shares:
        yield f"perf buffers: {times(median(shares))}"


CLAIMS: Final = (
    Side.RING.claim(
        id="rb-less-memory",
        statement="sharing one buffer wastes less than one per CPU",
        sources="TUT, BLOG",
        test="minimum lossless budget of each, spread and one-CPU storm, read after the end",
        reproduced_when="pb/rb budget ratio > 1, in the mean of both storms",
        experiments=LADDERS,
        rule=mean_above(
            "least lossless budget, pb over rb, mean of both storms",
            [less_memory(kind, kind) for kind in LADDERS],
            details=[_budgets],
        ),
        cpus=2,
    ),
    Side.RING.claim(
        id="rb-memory-scales",
        statement="doubling CPUs need not double the ring",
        sources="BLOG",
        published="none; elastic/quark#407 sizes it per CPU all the same",
        test="minimum lossless budget at N and 2N CPUs",
        reproduced_when="growth < 2 on rb, and less than on pb; not applicable below 4 CPUs",
        experiments=("memory-spread", "memory-half"),
        rule=held(
            above(
                _compared(
                    "growth of the least lossless budget as CPUs double, pb over rb", *_DOUBLED
                ),
                details=[said(_compared("pb, all CPUs over half", *_DOUBLED[:2]))],
            ),
            _compared("rb, all CPUs over half", *_DOUBLED[2:]),
            low=0.0,
            high=2.0,
            words="the ring's grows less than 2",
        ),
        cpus=4,
    ),
    Side.PERF.counted(
        id="rb-rss-double",
        statement="the consumer's RSS counts the ring twice",
        sources="bpf list 2023",
        published="about 2",
        test="VmRSS against physical bytes",
        reproduced_when="ratio 1.8 to 2.2",
        experiments=("producers",),
        rule=inside(
            "VmRSS over physical bytes of the ring",
            _rss,
            low=1.8,
            high=2.2,
            bound=2.0,
            details=(_rss_of_perf,),
        ),
    ),
)
