# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The claim that the ring buffer is nearly always the better default."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Final

from bench.judge.claims.claim import Claim, Side
from bench.judge.claims.contrast import (
    Contrast,
    difference,
    ratio,
    ratio_margin,
    share_margin,
)
from bench.judge.claims.evidence import Evidence, NotMeasured, series
from bench.judge.claims.finding import Finding, Measured, Verdict
from bench.judge.claims.memory import memory_ratio
from bench.judge.claims.quantities import dropped_share, lossless_p50_ns, violation_share
from bench.judge.claims.rules import say
from bench.judge.metrics import Unit
from bench.judge.statistics import FEWEST_BLOCKS, holm, loss_bound
from bench.plan.experiments import comparisons

_DEFAULTS: Final = ("storm", "burst", "chain", "hotcpu", "trickle", "stall", "rate-default")
_LADDERS: Final = ("memory-spread", "memory-onecpu")
_NEARLY_ALWAYS: Final = 0.9


def _numbers(evidence: Evidence) -> Iterator[tuple[str, Contrast]]:
    """(experiment and budget, what the perf buffer has more of: drops, disorder, latency, need)."""
    drops = share_margin(evidence, dropped_share, *_DEFAULTS)
    disorder = share_margin(evidence, violation_share, *_DEFAULTS)
    late = ratio_margin(evidence, lossless_p50_ns, *_DEFAULTS)
    for name in _DEFAULTS:
        samples = evidence.experiments.get(name)
        if samples is None:
            raise NotMeasured(name)
        for pair in comparisons(samples.arms):
            if not pair.left.startswith("ringbuf") or "/" in pair.left:
                continue
            where = f"{name} at {pair.left.partition('@')[2]}"
            ring, perf = samples.arms[pair.left], samples.arms[pair.right]
            for what, take, compare, margin in (
                ("drops", dropped_share, difference, drops),
                ("disorder", violation_share, difference, disorder),
                ("p50", lossless_p50_ns, ratio, late),
            ):
                try:
                    left, right = series(name, perf, take), series(name, ring, take)
                    yield where, compare(f"{where}, {what}, pb against rb", left, right, margin)
                except NotMeasured:  # no causal pairs, or not a trial without a loss
                    continue
    for name in _LADDERS:
        yield name, memory_ratio(evidence, name, f"{name}, least lossless budget, pb against rb")


def _worse(contrast: Contrast) -> Contrast:
    """The same with the sides exchanged."""
    return Contrast(
        what=contrast.what,
        scale=contrast.scale,
        values=tuple(-value for value in contrast.values),
        margin=contrast.margin,
        rests_on=contrast.rests_on,
        unit=contrast.unit,
    )


def _beyond(contrast: Contrast) -> bool:
    found = contrast.measured()
    return contrast.blocks >= FEWEST_BLOCKS and found.low > found.bound


def _default_choice(evidence: Evidence) -> Finding:
    """Better somewhere, and worse in at most one experiment of ten.

    That it is not worse would also be said of two equal transports; so, to be the better one, it
    has to be better at something.
    """
    found = list(_numbers(evidence))
    places = list(dict.fromkeys(where for where, _ in found))
    # Latency, say, of trials without a loss may have few blocks where drops have all of them.
    numbers = [(where, each) for where, each in found if each.blocks >= FEWEST_BLOCKS]
    unknown = set(places) - {where for where, _ in numbers}
    better_p = holm([contrast.p[0] for _, contrast in numbers])
    worse_p = holm([_worse(contrast).p[0] for _, contrast in numbers])
    better = {
        where: p
        for (where, contrast), p in zip(numbers, better_p, strict=True)
        if p < 0.05 and _beyond(contrast)
    }
    worse = [
        (where, p, contrast)
        for (where, contrast), p in zip(numbers, worse_p, strict=True)
        if p < 0.05 and _beyond(_worse(contrast))
    ]
    lost = dict.fromkeys(where for where, _, _ in worse)
    allowed = floor((1 - _NEARLY_ALWAYS) * len(places) + 1e-9)
    kept = len(places) - len(lost)
    blocks = min(contrast.blocks for _, contrast in (found if unknown else numbers))
    measured = Measured(
        what=f"not worse in {kept} of {len(places)} experiments, better in {len(better)}",
        unit=Unit.SHARE,
        point=kept / len(places),
        low=1 - loss_bound(len(lost), len(places)),
        high=loss_bound(kept, len(places)),
        bound=_NEARLY_ALWAYS,
    )
    p = 1.0
    if unknown:
        reason = f"fewer than {FEWEST_BLOCKS} blocks in {', '.join(sorted(unknown))}"
        verdict = Verdict.INCONCLUSIVE
    elif len(lost) > allowed:
        verdict, reason = Verdict.REFUTED, f"worse in {', '.join(lost)}"
        p = sorted(p for _, p, _ in worse)[allowed]
    elif better:
        verdict = Verdict.REPRODUCED
        reason = f"except in {', '.join(lost)}" if lost else "without an exception"
        p = min(better.values())
    else:
        verdict, reason = Verdict.INCONCLUSIVE, "nowhere shown to be better"
    return Finding(
        verdict=verdict,
        reason=reason,
        measured=measured,
        blocks=blocks,
        p=p,
        further_blocks=max(FEWEST_BLOCKS - blocks, FEWEST_BLOCKS),
        details=tuple(say(contrast) for _, _, contrast in worse),
        rests_on=tuple(dict.fromkeys(b for _, contrast in numbers for b in contrast.rests_on)),
    )


CLAIMS: Final = (
    Claim(
        id="rb-default-choice",
        side=Side.RING,
        statement="nearly always the better default",
        sources="TUT, BLOG",
        published="none",
        test="all of the above",
        reproduced_when=(
            "drops, order, memory and latency not worse on rb beyond the noise floor, at default "
            "settings, in at least 9 of 10 experiments; name the exceptions"
        ),
        experiments=(*_DEFAULTS, *_LADDERS),
        judge=_default_choice,
        cpus=2,
    ),
)
