# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about memory: what must be spent to lose nothing, and what RSS makes of it."""

from __future__ import annotations

from statistics import median
from typing import Final

from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import Unit
from bench.judge.samples import Place
from bench.judge.statistics import FEWEST_BLOCKS, paired_ratio
from bench.plan import budgets
from bench.plan.experiments import ArmName
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.contrast import (
    Contrast,
    ratio,
    ratio_of_ratios,
    shared,
    sides,
    together,
)
from bench.questions.claims.evidence import Evidence, NotMeasured, Series, series
from bench.questions.claims.finding import Finding, Measured
from bench.questions.claims.quantities import dropped_share, rss_over_physical
from bench.questions.claims.rules import all_of, controlled, say, within

_LEAST_RSS_BYTES: Final = 8 * budgets.MIB  # below, what else the process maps counts too much


def least_lossless(evidence: Evidence, experiment: str, transport: str) -> Series:
    """Of each block, the least budget from which upwards nothing was lost.

    Where the largest lost something too, twice that: more would be needed.
    """
    rungs: list[tuple[int, Series]] = []
    for arm in evidence.arms(experiment, transport, variant=""):
        budget_bytes = budgets.parse(ArmName.parse(arm.name).budget)
        rungs.append((budget_bytes, series(experiment, arm, dropped_share)))
    if len(rungs) < 2:
        raise NotMeasured(experiment)
    rungs.sort(key=lambda rung: rung[0], reverse=True)
    places = set(shared(*(values for _, values in rungs)))
    least: dict[Place, float] = {}
    for place in places:
        least[place] = 2.0 * rungs[0][0]
        for budget_bytes, lost in rungs:
            if lost.values[place]:
                break
            least[place] = float(budget_bytes)
    return Series(
        experiment=experiment,
        arms=tuple(arm for _, lost in rungs for arm in lost.arms),
        values=least,
        loads={place: rungs[0][1].loads.get(place, ()) for place in places},
    )


def memory_ratio(evidence: Evidence, experiment: str, what: str) -> Contrast:
    """Least lossless budget of the perf buffers over the ring's."""
    ring, perf = (
        least_lossless(evidence, experiment, transport) for transport in ("ringbuf", "perfbuf")
    )
    return ratio(what, perf, ring, LEAST_MARGIN)


def _words(evidence: Evidence, experiment: str) -> str:
    ring, perf = (least_lossless(evidence, experiment, way) for way in ("ringbuf", "perfbuf"))
    of_perf, of_ring = (size_bytes / 1024 for size_bytes in sides(perf, ring))
    return (
        f"{experiment}, least lossless budget, median over blocks: "
        f"rb {of_ring:.0f} KiB, pb {of_perf:.0f} KiB"
    )


def _less_memory(evidence: Evidence) -> Finding:
    kinds = ("memory-spread", "memory-onecpu")
    each = [memory_ratio(evidence, kind, kind) for kind in kinds]
    combined = together("least lossless budget, pb over rb, mean of both storms", each)
    return all_of([combined], [*map(say, each), *(_words(evidence, kind) for kind in kinds)])


def _memory_scales(evidence: Evidence) -> Finding:
    parts = [
        least_lossless(evidence, experiment, transport)
        for transport in ("perfbuf", "ringbuf")
        for experiment in ("memory-spread", "memory-half")
    ]
    perf_all, perf_half, ring_all, ring_half = parts
    growth = ratio_of_ratios(
        "growth of the least lossless budget as CPUs double, pb over rb", parts, LEAST_MARGIN
    )
    of_ring = ratio("rb, all CPUs over half", ring_all, ring_half, LEAST_MARGIN)
    details = [say(ratio("pb, all CPUs over half", perf_all, perf_half, LEAST_MARGIN))]
    return controlled(
        all_of([growth], details), of_ring, low=0.0, high=2.0, words="the ring's grows less than 2"
    )


def _rss_twice(evidence: Evidence) -> Finding:
    arms = [
        (name, arm)
        for name in ("producers", "busy-poll")
        for arm in evidence.arms(name, "ringbuf")
        if arm.trials and arm.trials[0].config.budget_bytes >= _LEAST_RSS_BYTES
    ]
    parts = [series(name, arm, rss_over_physical) for name, arm in arms]
    if not parts:
        raise NotMeasured("producers")
    values = [value for part in parts for value in part.values.values()]
    found = paired_ratio(values, [1.0] * len(values))
    measured = Measured(
        what="VmRSS over physical bytes of the ring",
        unit=Unit.TIMES,
        point=found.point,
        low=found.low,
        high=found.high,
        bound=2.0,
    )
    blocks = min(len(part.values) for part in parts)
    verdict, reason = within(measured, low=1.8, high=2.2, blocks=blocks)
    return Finding(
        verdict=verdict,
        reason=reason,
        measured=measured,
        blocks=blocks,
        further_blocks=max(FEWEST_BLOCKS - blocks, FEWEST_BLOCKS // 2),
        details=tuple(_of_perf(evidence)),
        rests_on=tuple(basis for part in parts for basis in part.rests_on),
    )


def _of_perf(evidence: Evidence) -> list[str]:
    shares = [
        memory.observed.rss_bytes / memory.footprint.physical_bytes
        for arm in evidence.arms("producers", "perfbuf")
        for trial in arm.trials
        if (memory := trial.memory) is not None and memory.observed.rss_bytes is not None
    ]
    return [f"perf buffers: {median(shares):.2f} times"] if shares else []


CLAIMS: Final = (
    Claim(
        id="rb-less-memory",
        side=Side.RING,
        statement="sharing one buffer wastes less than one per CPU",
        sources="TUT, BLOG",
        published="none",
        test="minimum lossless budget of each, spread storm and one-CPU storm",
        reproduced_when="pb/rb budget ratio > 1",
        experiments=("memory-spread", "memory-onecpu"),
        judge=_less_memory,
        cpus=2,
    ),
    Claim(
        id="rb-memory-scales",
        side=Side.RING,
        statement="doubling CPUs need not double the ring",
        sources="BLOG",
        published="none; elastic/quark#407 sizes it per CPU all the same",
        test="minimum lossless budget at N and 2N CPUs",
        reproduced_when="growth < 2 on rb, and less than on pb; not applicable below 4 CPUs",
        experiments=("memory-spread", "memory-half"),
        judge=_memory_scales,
        cpus=4,
    ),
    Claim(
        id="rb-rss-double",
        side=Side.PERF,
        statement="the consumer's RSS counts the ring twice",
        sources="bpf list 2023",
        published="about 2",
        test="VmRSS against physical bytes",
        reproduced_when="ratio 1.8 to 2.2",
        experiments=("producers",),
        judge=_rss_twice,
        comparative=False,
    ),
)
