# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The rule of a claim that was published in both directions: forced wake-ups lose more, or less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.judge.statistics import one_sided
from bench.questions.claims.contrast import Contrast
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.claims.rules import say

_ALIKE: Final = 0.01
"""Difference of shares dropped below which two policies lose alike."""


def either_way(each: Sequence[Contrast]) -> Finding:
    """Reproduce if one differs beyond its margin, refute if all are shown alike."""
    apart = [one for one in each if _direction(one)]
    if apart:
        deciding = min(apart, key=_chance)
        verdict, reason = Verdict.REPRODUCED, "; ".join(map(_direction, apart))
        p = min(1.0, 2 * len(each) * _chance(deciding))
    elif all(map(_alike, each)) and any(any(one.values) for one in each):
        deciding = max(each, key=_unlike)
        verdict, reason = Verdict.REFUTED, f"they differ by less than {_ALIKE:.0%} of records"
        p = min(1.0, 2 * _unlike(deciding))
    else:
        deciding = max(each, key=lambda one: abs(one.estimate.point))
        verdict, p = Verdict.INCONCLUSIVE, 1.0
        reason = f"undecided: equals differ by up to {deciding.margin:.1%} here"
        if not any(any(one.values) for one in each):
            reason = "nothing was lost either way"
    return Finding(
        verdict=verdict,
        reason=reason,
        measured=deciding.measured(),
        blocks=min(one.blocks for one in each),
        p=p,
        further_blocks=max(one.further_blocks() for one in each),
        details=tuple(say(one) for one in each if one is not deciding),
        rests_on=tuple(dict.fromkeys(basis for one in each for basis in one.rests_on)),
    )


def _direction(contrast: Contrast) -> str:
    """Return which way forced wake-ups lead beyond the margin, and where; "" for neither."""
    found = contrast.measured()
    where = contrast.what.removeprefix("dropped at ").partition(",")[0]
    if found.low > contrast.margin:
        return f"forced wake-ups lose more at {where}"
    return f"forced wake-ups lose less at {where}" if found.high < -contrast.margin else ""


def _chance(contrast: Contrast) -> float:
    """Return the one-sided p of the difference's not lying beyond the margin on its side."""
    more, _ = one_sided(contrast.values, contrast.margin)
    _, less = one_sided(contrast.values, -contrast.margin)
    return min(more, less)


def _alike(contrast: Contrast) -> bool:
    found = contrast.measured()
    return found.low > -_ALIKE and found.high < _ALIKE


def _unlike(contrast: Contrast) -> float:
    """Return the p of the difference's lying beyond a hundredth on either side."""
    _, below = one_sided(contrast.values, _ALIKE)
    above, _ = one_sided(contrast.values, -_ALIKE)
    return above + below
