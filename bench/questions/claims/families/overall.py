# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The claim that the ring buffer is nearly always the better default."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor, inf
from typing import Final

from bench.judge.statistics import (
    FEWEST_BLOCKS,
    Scale,
    holm,
    partial_conjunction_p,
)
from bench.plan.experiments import ArmName, comparisons
from bench.questions.claims.claim import for_ring
from bench.questions.claims.contrast import (
    ABOUT_EQUAL,
    NEARLY_NONE,
    SURE,
    Contrast,
    alone,
    difference,
    ratio,
    ratio_margin,
    share_margin,
)
from bench.questions.claims.evidence import Evidence, NotMeasured, series
from bench.questions.claims.families.memory import less_memory
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.claims.quantities import dropped_share, lossless_p50_ns, violation_share
from bench.questions.claims.rules import say, share
from bench.questions.transports.profiles import RINGBUF

_DEFAULTS: Final = ("storm", "burst", "chain", "hotcpu", "trickle", "stall", "rate-default")
_LADDERS: Final = ("memory-spread", "memory-onecpu")
_NEARLY_ALWAYS: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """One number at one experiment and budget."""

    where: str
    contrast: Contrast  # what the perf buffer has more of
    own: Contrast | None = None  # of a share: the ring's alone

    def not_worse(self) -> tuple[Verdict, float]:
        """Return whether the ring is shown to be worse by less than its margin, and the p of that.

        A difference of shares is at most the ring's own, so that one that is shown to be small will
        do, whatever the perf buffer's is.
        """
        limit = _LIMITS[self.contrast.scale]
        difference_says = _worse(self.contrast).between(-inf, limit)
        if self.own is not None and difference_says[0] is Verdict.INCONCLUSIVE:
            share_says = self.own.between(-inf, limit)
            return share_says if share_says[0] is Verdict.REPRODUCED else difference_says
        return difference_says


def _numbers(evidence: Evidence) -> Iterator[_Number]:
    """Yield drops, disorder and latency of every experiment, and the budgets that lose nothing."""
    drops = share_margin(evidence, dropped_share, *_DEFAULTS)
    disorder = share_margin(evidence, violation_share, *_DEFAULTS)
    late = ratio_margin(evidence, lossless_p50_ns, *_DEFAULTS)
    for name in _DEFAULTS:
        samples = evidence.experiments.get(name)
        if samples is None:
            raise NotMeasured(name)
        for pair in comparisons(samples.arms):
            arm = ArmName.parse(pair.left)
            if arm.transport != RINGBUF or arm.variant:
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
                    words = f"{where}, {what}, pb against rb"
                    yield _Number(
                        where=where,
                        contrast=compare(words, left, right, margin),
                        own=alone(f"{where}, {what}, rb", right) if compare is difference else None,
                    )
                except NotMeasured:  # no causal pairs, or not a trial without a loss
                    continue
    for name in _LADDERS:
        words = f"{name}, least lossless budget, pb against rb"
        yield _Number(where=name, contrast=less_memory(words, name)(evidence))


_LIMITS: Final = {Scale.DIFFERENCE: NEARLY_NONE, Scale.RATIO: ABOUT_EQUAL}
"""By how much the ring may do worse and still count as not worse: of shares, and of ratios."""


def _worse(contrast: Contrast) -> Contrast:
    """Return the same with the sides exchanged."""
    return replace(contrast, values=tuple(-value for value in contrast.values))


def _beyond(contrast: Contrast) -> bool:
    found = contrast.measured()
    return contrast.blocks >= FEWEST_BLOCKS and found.low > found.bound


def _default_choice(evidence: Evidence) -> Finding:
    """Judge it better somewhere, and shown to be not worse in at least nine experiments of ten.

    Not worse is a test of non-inferiority with a separate margin, ``_LIMITS``: where the noise is
    wide, nothing is found to be worse, nor shown not to be. And since two equal transports are not
    worse either, the better one has to be better at something, beyond the noise.
    """
    found = list(_numbers(evidence))
    places = list(dict.fromkeys(each.where for each in found))
    # Latency, say, of trials without a loss may have few blocks where drops have all of them.
    numbers = [each for each in found if each.contrast.blocks >= FEWEST_BLOCKS]
    unknown = set(places) - {each.where for each in numbers}
    better_p = holm([each.contrast.p[0] for each in numbers])
    better = {
        each.where: p
        for each, p in zip(numbers, better_p, strict=True)
        if p < SURE and _beyond(each.contrast)
    }
    judged = [(each.where, each.contrast, *each.not_worse()) for each in numbers]
    # One number that is worse will do, and each had the chance to be it.
    worse = [(where, p) for where, _, verdict, p in judged if verdict is Verdict.REFUTED]
    lost = {
        where: min(1.0, min(p for name, p in worse if name == where) * tried)
        for where, tried in Counter(each.where for each in numbers).items()
        if where in dict(worse)
    }
    failing = {where for where, _, verdict, _ in judged if verdict is not Verdict.REPRODUCED}
    # All numbers of an experiment have to hold, so that it is as unsure as the least sure of them.
    kept = {
        where: max(p for name, _, _, p in judged if name == where)
        for where in places
        if where not in failing and where not in unknown
    }
    open_ones = [where for where in places if where not in kept and where not in lost]
    allowed = floor((1 - _NEARLY_ALWAYS) * len(places) + 1e-9)
    least = len(places) - allowed
    blocks = min(each.contrast.blocks for each in (found if unknown else numbers))
    measured = share(
        f"shown not worse in {len(kept)} of {len(places)} experiments, "
        f"worse in {len(lost)}, better in {len(better)}",
        len(kept),
        len(places),
        bound=_NEARLY_ALWAYS,
    )
    p = 1.0
    if unknown:
        reason = f"fewer than {FEWEST_BLOCKS} blocks in {', '.join(sorted(unknown))}"
        verdict = Verdict.INCONCLUSIVE
    elif len(lost) > allowed:
        verdict, reason = Verdict.REFUTED, f"worse in {', '.join(lost)}"
        p = partial_conjunction_p([lost.get(where, 1.0) for where in places], allowed + 1)
    elif len(kept) < least:
        verdict = Verdict.INCONCLUSIVE
        reason = f"neither worse nor shown not to be in {', '.join(open_ones)}"
    elif better:
        verdict = Verdict.REPRODUCED
        others = [where for where in places if where not in kept]
        reason = f"except in {', '.join(others)}" if others else "without an exception"
        not_worse = partial_conjunction_p([kept.get(where, 1.0) for where in places], least)
        p = max(min(better.values()), not_worse)
    else:
        verdict, reason = Verdict.INCONCLUSIVE, "nowhere shown to be better"
    return Finding(
        verdict=verdict,
        reason=f"{reason} (margins: {NEARLY_NONE:.0%} of records or pairs, {ABOUT_EQUAL:g} times "
        "for latency and memory)",
        measured=measured,
        blocks=blocks,
        p=p,
        further_blocks=max(FEWEST_BLOCKS - blocks, FEWEST_BLOCKS),
        details=tuple(say(each) for where, each, *_ in judged if where not in kept),
        rests_on=tuple(dict.fromkeys(b for each in numbers for b in each.contrast.rests_on)),
    )


CLAIMS: Final = (
    for_ring(
        id="rb-default-choice",
        statement="nearly always the better default",
        sources="TUT, BLOG",
        test="all of the above",
        reproduced_when="better somewhere, and in at least 9 of 10 experiments at default "
        "settings shown to be worse by less than 1 % of records dropped and of pairs out of "
        "order, and by less than 1.25 times in latency and memory; name the exceptions",
        experiments=(*_DEFAULTS, *_LADDERS),
        rule=_default_choice,
        cpus=2,
    ),
)
