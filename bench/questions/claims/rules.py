# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Rules: how contrasts become a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.judge.statistics import FEWEST_BLOCKS, Scale, loss_bound
from bench.questions.claims.contrast import SURE, Contrast
from bench.questions.claims.finding import Finding, Measured, Verdict


def say(contrast: Contrast) -> str:
    """A contrast in words: what, how much, and the interval."""
    found = contrast.measured()
    if found.low == found.high == (1 if contrast.scale is Scale.RATIO else 0):
        numbers = f"the same in each of {contrast.blocks} blocks"
    elif contrast.scale is Scale.RATIO:
        numbers = f"{found.point:.2f} times ({found.low:.2f} to {found.high:.2f})"
    else:
        numbers = f"{found.point:+.2%} ({found.low:+.2%} to {found.high:+.2%})"
    return f"{contrast.what}: {numbers}"


def _lies(contrast: Contrast) -> int:
    """1: the interval is above the bound, -1: below it and surely so, 0: neither."""
    found = contrast.measured()
    if found.low > found.bound:
        return 1
    return -1 if found.high < found.bound and contrast.p[1] < SURE else 0


def _finding(
    verdict: Verdict,
    deciding: Contrast,
    contrasts: Sequence[Contrast],
    *,
    p: float,
    details: Sequence[str],
) -> Finding:
    margin = f"{deciding.margin:.1%}"
    reason = {
        Verdict.REPRODUCED: f"beyond the margin of {margin}",
        Verdict.REFUTED: f"not beyond the margin of {margin}",
        Verdict.INCONCLUSIVE: f"the interval reaches over the margin of {margin}",
    }[verdict]
    found = deciding.measured()
    if verdict is Verdict.INCONCLUSIVE and found.high < found.bound:
        reason = f"less than the margin of {margin} by which equals differ here, so undecided"
    open_ones = [contrast for contrast in contrasts if not _lies(contrast)] or [deciding]
    return Finding(
        verdict=verdict,
        reason=reason,
        measured=deciding.measured(),
        blocks=min(contrast.blocks for contrast in contrasts),
        p=p,
        further_blocks=max(contrast.further_blocks() for contrast in open_ones),
        details=(*(say(each) for each in contrasts if each is not deciding), *details),
        rests_on=tuple(dict.fromkeys(b for contrast in contrasts for b in contrast.rests_on)),
    )


def too_few(contrasts: Sequence[Contrast], details: Sequence[str] = ()) -> Finding | None:
    """Inconclusive where a contrast has fewer than eight blocks; else None."""
    least = min(contrasts, key=lambda contrast: contrast.blocks)
    if least.blocks >= FEWEST_BLOCKS:
        return None
    return Finding(
        verdict=Verdict.INCONCLUSIVE,
        reason=f"fewer than {FEWEST_BLOCKS} blocks",
        measured=least.measured(),
        blocks=least.blocks,
        p=1.0,
        further_blocks=FEWEST_BLOCKS - least.blocks,
        details=(*map(say, contrasts), *details),
        rests_on=tuple(dict.fromkeys(b for contrast in contrasts for b in contrast.rests_on)),
    )


def all_of(contrasts: Sequence[Contrast], details: Sequence[str] = ()) -> Finding:
    """Reproduced if every contrast lies above its margin, refuted if one lies below.

    That all hold is as unsure as the least sure of them; that one fails has as many chances as
    there are contrasts.
    """
    few = too_few(contrasts, details)
    if few is not None:
        return few
    below = [contrast for contrast in contrasts if _lies(contrast) < 0]
    if below:
        deciding = min(below, key=lambda contrast: contrast.p[1])
        p = min(1.0, len(contrasts) * deciding.p[1])
        return _finding(Verdict.REFUTED, deciding, contrasts, p=p, details=details)
    deciding = max(contrasts, key=lambda contrast: contrast.p[0])
    if all(_lies(contrast) > 0 for contrast in contrasts):
        # The first is the one that the claim is about; the others are conditions.
        return _finding(
            Verdict.REPRODUCED, contrasts[0], contrasts, p=deciding.p[0], details=details
        )
    return _finding(Verdict.INCONCLUSIVE, deciding, contrasts, p=1.0, details=details)


def any_of(contrasts: Sequence[Contrast], details: Sequence[str] = ()) -> Finding:
    """Reproduced if one contrast lies above its margin, refuted if all lie below."""
    few = too_few(contrasts, details)
    if few is not None:
        return few
    above = [contrast for contrast in contrasts if _lies(contrast) > 0]
    if above:
        deciding = min(above, key=lambda contrast: contrast.p[0])
        p = min(1.0, len(contrasts) * deciding.p[0])
        return _finding(Verdict.REPRODUCED, deciding, contrasts, p=p, details=details)
    deciding = max(contrasts, key=lambda contrast: contrast.p[1])
    if all(_lies(contrast) < 0 for contrast in contrasts):
        return _finding(Verdict.REFUTED, deciding, contrasts, p=deciding.p[1], details=details)
    return _finding(Verdict.INCONCLUSIVE, deciding, contrasts, p=1.0, details=details)


def none_seen(count: int, what: str) -> str:
    """Return "0 of 1,200 records (at most 0.25 %)": none was seen, with its upper 95 % bound."""
    return f"0 of {count:,} {what} (at most {100 * loss_bound(0, count):.2g} %)"


def controlled(
    finding: Finding, control: Contrast, *, low: float, high: float, words: str
) -> Finding:
    """Hold a reproduced ``finding`` to a part of its claim that says "no" or "no more".

    It stays reproduced only if ``control`` is shown to lie between ``low`` and ``high``, and is
    refuted if it is shown not to. Its p is then that of the less sure of both parts.
    """
    verdict, p = control.between(low, high)
    details = (*finding.details, say(control))
    rests_on = tuple(dict.fromkeys((*finding.rests_on, *control.rests_on)))
    finding = replace(finding, details=details, rests_on=rests_on)
    if finding.verdict is not Verdict.REPRODUCED:
        return finding
    if verdict is Verdict.REPRODUCED:
        return replace(finding, reason=f"{finding.reason}; {words}", p=max(finding.p or 0.0, p))
    if verdict is Verdict.REFUTED:
        return replace(
            finding, verdict=verdict, reason=f"not {words}", measured=control.measured(), p=p
        )
    return replace(
        finding,
        verdict=verdict,
        reason=f"{finding.reason}, but it is not shown that {words}",
        p=1.0,
        further_blocks=max(control.further_blocks(), FEWEST_BLOCKS // 2),
    )


def within(measured: Measured, *, low: float, high: float, blocks: int) -> tuple[Verdict, str]:
    """Whether an interval lies inside, outside or across the edges of what was published."""
    if blocks < FEWEST_BLOCKS:
        return Verdict.INCONCLUSIVE, f"fewer than {FEWEST_BLOCKS} blocks"
    if low <= measured.low and measured.high <= high:
        return Verdict.REPRODUCED, f"within {low:g} to {high:g}"
    if measured.high < low or measured.low > high:
        return Verdict.REFUTED, f"outside {low:g} to {high:g}"
    return Verdict.INCONCLUSIVE, f"the interval reaches over {low:g} or {high:g}"
