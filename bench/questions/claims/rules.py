# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Rules: how comparisons and counts become a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Final

from bench.judge.metrics import Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, Scale, loss_bound, paired_difference, paired_ratio
from bench.questions.claims.compare import Comparison, Detail
from bench.questions.claims.contrast import SURE, Contrast, together
from bench.questions.claims.evidence import Evidence, Series, bases
from bench.questions.claims.finding import Finding, Measured, Verdict

Rule = Callable[[Evidence], Finding]

_EDGES: Final = ("within {0:g} to {1:g}", "outside {0:g} to {1:g}", "{0:g} or {1:g}")


def say(contrast: Contrast) -> str:
    """Format a contrast: what, how much, and the interval."""
    found = contrast.measured()
    if found.low == found.high == (1 if contrast.scale is Scale.RATIO else 0):
        numbers = f"the same in each of {contrast.blocks} blocks"
    elif contrast.scale is Scale.RATIO:
        numbers = f"{found.point:.2f} times ({found.low:.2f} to {found.high:.2f})"
    else:
        numbers = f"{found.point:+.2%} ({found.low:+.2%} to {found.high:+.2%})"
    return f"{contrast.what}: {numbers}"


def _lies(contrast: Contrast) -> int:
    """Return 1 if the interval is above the bound, -1 if it is surely below, else 0."""
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
    """Return an inconclusive finding if a contrast has fewer than eight blocks, else None."""
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
    """Reproduce if every contrast lies above its margin, refute if one lies below.

    That all hold is as unsure as the least sure of them; that one fails has as many chances as
    there are contrasts.
    """
    return _decided(contrasts, details, one=1)


def any_of(contrasts: Sequence[Contrast], details: Sequence[str] = ()) -> Finding:
    """Reproduce if one contrast lies above its margin, refute if all lie below."""
    return _decided(contrasts, details, one=0)


def _decided(contrasts: Sequence[Contrast], details: Sequence[str], *, one: int) -> Finding:
    """Judge by one contrast on the side ``one`` (0: above, 1: below), or all on the other."""
    few = too_few(contrasts, details)
    if few is not None:
        return few
    verdicts = (Verdict.REPRODUCED, Verdict.REFUTED)
    lies = [_lies(contrast) for contrast in contrasts]
    alone = [each for each, side in zip(contrasts, lies, strict=True) if side == (1, -1)[one]]
    if alone:
        deciding = min(alone, key=lambda contrast: contrast.p[one])
        p = min(1.0, len(contrasts) * deciding.p[one])
        return _finding(verdicts[one], deciding, contrasts, p=p, details=details)
    deciding = max(contrasts, key=lambda contrast: contrast.p[1 - one])
    if all(side == (-1, 1)[one] for side in lies):
        p = deciding.p[1 - one]
        # The first is the one that the claim is about; the others are conditions.
        shown = contrasts[0] if one else deciding
        return _finding(verdicts[1 - one], shown, contrasts, p=p, details=details)
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


def share(what: str, count: int, of: int, *, bound: float = 0.0) -> Measured:
    """Return a count as a share with its exact bounds."""
    return Measured(
        what=what,
        unit=Unit.SHARE,
        point=count / of if of else 0.0,
        low=1 - loss_bound(of - count, of) if of else 0.0,
        high=loss_bound(count, of) if of else 1.0,
        bound=bound,
    )


def counted(
    said: tuple[Verdict, str],
    measured: Measured,
    arms: Sequence[tuple[str, ArmSamples]],
    *,
    trials: int | None = None,
    details: Sequence[str] = (),
) -> Finding:
    """Return the finding of a count; at least eight ``trials`` must bear on it (default: all)."""
    blocks = min((len(arm.readings) for _, arm in arms), default=0)
    return Finding(
        verdict=said[0],
        reason=said[1],
        measured=measured,
        blocks=blocks,
        further_blocks=max(1, FEWEST_BLOCKS - (blocks if trials is None else trials)),
        details=tuple(details),
        rests_on=bases(arms),
    )


def _lines(details: Iterable[Detail], evidence: Evidence) -> list[str]:
    return [line for detail in details for line in detail(evidence)]


def above(*comparisons: Comparison, details: Sequence[Detail] = ()) -> Rule:
    """Return the rule that every comparison lies above its margin."""
    return lambda evidence: all_of(
        [compare(evidence) for compare in comparisons], _lines(details, evidence)
    )


def somewhere(*comparisons: Comparison, details: Sequence[Detail] = ()) -> Rule:
    """Return the rule that one of the comparisons lies above its margin."""
    return lambda evidence: any_of(
        [compare(evidence) for compare in comparisons], _lines(details, evidence)
    )


def mean_above(
    what: str,
    each: Callable[[Evidence], Iterable[Contrast]] | Sequence[Comparison],
    details: Sequence[Detail] = (),
    *,
    without: str = "",
) -> Rule:
    """Return the rule that the mean of several comparisons lies above the margin.

    ``without`` is the reason for no verdict where there is nothing to compare.
    """

    def judge(evidence: Evidence) -> Finding:
        found = list(each(evidence)) if callable(each) else [one(evidence) for one in each]
        if without and not found:
            few = FEWEST_BLOCKS
            return Finding(verdict=Verdict.INCONCLUSIVE, reason=without, further_blocks=few, p=1.0)
        return all_of([together(what, found)], [*map(say, found), *_lines(details, evidence)])

    return judge


def held(rule: Rule, control: Comparison, *, low: float, high: float, words: str) -> Rule:
    """Return ``rule``, held to a ``control`` that has to lie between ``low`` and ``high``."""
    return lambda evidence: controlled(
        rule(evidence), control(evidence), low=low, high=high, words=words
    )


def inside(
    what: str,
    parts: Callable[[Evidence], Sequence[Series]],
    *,
    high: float,
    bound: float,
    low: float = -inf,
    scale: Scale = Scale.RATIO,
    unit: Unit = Unit.TIMES,
    words: tuple[str, str, str] = (
        "within {0:g} to {1:g}",
        "outside {0:g} to {1:g}",
        "{0:g} or {1:g}",
    ),
    details: Sequence[Detail] = (),
) -> Rule:
    """Return the rule that a number lies between the edges of what was published."""

    def judge(evidence: Evidence) -> Finding:
        found = parts(evidence)
        values = [value for part in found for value in part.values.values()]
        if scale is Scale.RATIO:
            centre = paired_ratio(values, [1.0] * len(values))
        else:
            centre = paired_difference(values, [0.0] * len(values), mean=True)
        blocks = min(len(part.values) for part in found)
        within, outside, edges = (each.format(low, high) for each in words)
        if blocks < FEWEST_BLOCKS:
            said = Verdict.INCONCLUSIVE, f"fewer than {FEWEST_BLOCKS} blocks"
        elif low <= centre.low and centre.high <= high:
            said = Verdict.REPRODUCED, within
        elif centre.high < low or centre.low > high:
            said = Verdict.REFUTED, outside
        else:
            said = Verdict.INCONCLUSIVE, f"the interval reaches over {edges}"
        return Finding(
            verdict=said[0],
            reason=said[1],
            measured=Measured(
                what=what,
                unit=unit,
                point=centre.point,
                low=centre.low,
                high=centre.high,
                bound=bound,
            ),
            blocks=blocks,
            further_blocks=max(FEWEST_BLOCKS - blocks, FEWEST_BLOCKS // 2),
            details=tuple(_lines(details, evidence)),
            rests_on=tuple(basis for part in found for basis in part.rests_on),
        )

    return judge
