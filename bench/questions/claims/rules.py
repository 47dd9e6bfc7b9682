# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Turn comparisons and counts into a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf

from bench import amounts
from bench.judge import statistics
from bench.judge.metrics import Unit
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, Scale, loss_bound, one_sided
from bench.questions.claims import compare
from bench.questions.claims.claim import Finding, Measured, Verdict
from bench.questions.claims.compare import ContrastOf, ContrastsOf, Detail, Form, Of
from bench.questions.claims.contrast import NEARLY_NONE, Contrast, bases, together
from bench.questions.claims.evidence import Evidence, NotMeasured, Series
from bench.report.document import TrialSet

Rule = Callable[[Evidence], Finding]
Shown = Callable[[Evidence], tuple[str, Contrast, float] | None]
"""Returns a reason, the contrast that shows it and its p; None if it is not shown."""

REPRODUCED, REFUTED, INCONCLUSIVE = Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE
TOO_FEW = INCONCLUSIVE, f"fewer than {FEWEST_BLOCKS} blocks"


def decided(
    said: tuple[Verdict, str],
    deciding: Contrast,
    contrasts: Sequence[Contrast],
    *,
    p: float,
    unsettled: Sequence[Contrast] = (),
    details: Sequence[str] = (),
) -> Finding:
    """Return a finding by one of ``contrasts``; ``unsettled`` (default: all) ask for blocks."""
    return Finding(
        *said,
        measured=deciding.measured(),
        blocks=min(contrast.blocks for contrast in contrasts),
        p=p,
        further_blocks=max(contrast.further_blocks() for contrast in unsettled or contrasts),
        details=(*(str(each) for each in contrasts if each is not deciding), *details),
        rests_on=bases(contrasts),
    )


def too_few(contrasts: Sequence[Contrast], details: Sequence[str] = ()) -> Finding | None:
    """Return an inconclusive finding if a contrast has fewer than eight blocks, else None."""
    least = min(contrasts, key=lambda contrast: contrast.blocks)
    if least.blocks >= FEWEST_BLOCKS:
        return None
    found = decided(TOO_FEW, least, contrasts, p=1.0, unsettled=(least,))
    return replace(found, details=(*map(str, contrasts), *details))


def all_of(contrasts: Sequence[Contrast], details: Sequence[str] = (), *, side: int = 1) -> Finding:
    """Reproduce if every contrast lies above its margin, refute if one lies below.

    That all hold is as uncertain as the least certain of them; that one fails has as many chances
    as there are contrasts. With ``side`` -1: reproduce if one lies above, refute if all lie below.
    """
    few = too_few(contrasts, details)
    if few is not None:
        return few
    verdicts, at = {1: REPRODUCED, -1: REFUTED}, int(side == 1)  # where the p of one alone counts
    one = [each for each in contrasts if each.lies == -side]
    deciding = max(contrasts, key=lambda contrast: contrast.p[1 - at])
    if one:
        verdict = verdicts[-side]
        deciding = min(one, key=lambda contrast: contrast.p[at])
        p = min(1.0, len(contrasts) * deciding.p[at])
    elif all(each.lies == side for each in contrasts):
        verdict, p = verdicts[side], deciding.p[1 - at]
        # The claim is about the first; the others are conditions.
        deciding = contrasts[0] if side == 1 else deciding
    else:
        verdict, p = INCONCLUSIVE, 1.0
    found, margin = deciding.measured(), "0"
    if deciding.margin:
        unit = "%" if deciding.scale is Scale.RATIO else "points"
        margin = f"the margin of {amounts.bound(deciding.margin, unit)}"
    reason = {
        REPRODUCED: f"beyond {margin}",
        REFUTED: f"not beyond {margin}",
        INCONCLUSIVE: f"the interval reaches over {margin}"
        if found.high >= found.bound
        else f"less than {margin}, but not surely",
    }[verdict]
    unsettled = [each for each in contrasts if not each.lies] or [deciding]
    said = verdict, reason
    return decided(said, deciding, contrasts, p=p, unsettled=unsettled, details=details)


def lines(details: Sequence[Detail], evidence: Evidence) -> list[str]:
    """Return the lines beside a verdict, without those of arms that have no trials."""
    found: list[str] = []
    for detail in details:
        with suppress(NotMeasured):
            found += list(detail(evidence))
    return found


def above(*comparisons: ContrastOf, details: Sequence[Detail] = (), side: int = 1) -> Rule:
    """Return the rule that every comparison lies above its margin (``side`` -1: that one does)."""
    return lambda evidence: all_of(
        compare.contrasts(comparisons, evidence), lines(details, evidence), side=side
    )


def mean_above(
    what: str, each: ContrastsOf, details: Sequence[Detail] = (), *, without: str = ""
) -> Rule:
    """Return the rule that the mean of several comparisons lies above the margin.

    The reason names how many of them do by themselves, if not all. ``without`` is the reason for no
    verdict if there is nothing to compare.
    """

    def judge(evidence: Evidence) -> Finding:
        found = compare.contrasts(each, evidence)
        if without and not found:
            return Finding(INCONCLUSIVE, without, further_blocks=FEWEST_BLOCKS, p=1.0)
        mean = all_of([together(what, found)], [*map(str, found), *lines(details, evidence)])
        side = {REPRODUCED: 1, REFUTED: -1}.get(mean.verdict)
        alike = sum(each.lies == side for each in found)
        if side is None or alike == len(found):
            return mean
        alone = f"by itself in {alike} of {amounts.counted(len(found), 'comparison')}"
        return replace(mean, reason=f"{mean.reason} on average, {alone}")

    return judge


def exceeds(what: str, form: Form, parts: Mapping[str, Of]) -> Rule:
    """Return the rule that the first of two numbers is larger; both are shown, as paired."""
    left, right = parts.values()
    return above(compare.over(what, left, right), details=[compare.levels(form, parts, right)])


def held(
    rule: Rule, comparison: ContrastOf, *, words: str, low: float = -inf, high: float = NEARLY_NONE
) -> Rule:
    """Add to ``rule`` the part of its claim that says "no" or "no more".

    It stays reproduced only if the comparison is shown to lie between ``low`` and ``high``; its p
    is then that of the less certain part. It is refuted if the comparison is shown to lie outside,
    even if ``rule`` leaves it open: a claim of two parts does not hold without one of them.
    """

    def judge(evidence: Evidence) -> Finding:
        finding, control = rule(evidence), comparison(evidence)
        verdict, p = control.between(low, high)
        rests_on = tuple(dict.fromkeys((*finding.rests_on, *control.rests_on)))
        finding = replace(finding, rests_on=rests_on)
        if verdict is REFUTED and finding.verdict is not REFUTED:
            # Either part had the chance to refute it.
            found, p = control.measured(), min(1.0, 2 * p)
            reason = f"does not hold: {words}"
            return replace(finding, verdict=verdict, reason=reason, measured=found, p=p)
        finding = replace(finding, details=(*finding.details, str(control)))
        if finding.verdict is not REPRODUCED:
            return finding
        if verdict is REPRODUCED:
            return replace(finding, reason=f"{finding.reason}; {words}", p=max(finding.p or 0.0, p))
        return replace(
            finding,
            verdict=INCONCLUSIVE,
            reason=f"{finding.reason}, but it is not shown that {words}",
            p=1.0,
            further_blocks=max(control.further_blocks(), FEWEST_BLOCKS // 2),
        )

    return judge


def refuted_by(rule: Rule, shown: Shown) -> Rule:
    """Return ``rule``, refuted whenever ``shown`` gives a reason."""

    def judge(evidence: Evidence) -> Finding:
        finding, against = rule(evidence), shown(evidence)
        if against is None:
            return finding
        reason, deciding, p = against
        found, said = deciding.measured(), str(deciding)
        details = tuple(each for each in finding.details if each != said)
        return replace(
            finding, verdict=REFUTED, reason=reason, measured=found, p=p, details=details
        )

    return judge


def none_seen(count: int, what: str) -> str:
    """Return "0 of 1,200 records (at most 0.25 %)", with the upper 95 % bound."""
    return f"0 of {count:,} {what} (at most {amounts.bound(loss_bound(0, count))})"


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


def first(*says: tuple[object, Verdict, str]) -> tuple[Verdict, str]:
    """Return the first verdict and reason whose condition holds."""
    return next((verdict, reason) for holds, verdict, reason in says if holds)


def fewest(arms: Sequence[tuple[str, ArmSamples]]) -> int:
    """Count the blocks of the arm with the fewest, 0 without any."""
    return min((len(arm.by_place) for _, arm in arms), default=0)


def counted(
    measured: Measured,
    arms: Sequence[tuple[str, ArmSamples]],
    *says: tuple[object, Verdict, str],
    trials: int | None = None,
    details: Sequence[str] = (),
) -> Finding:
    """Return the finding of a count, by the first of ``says`` whose condition holds."""
    blocks = fewest(arms)
    return Finding(
        *first(*says),
        measured=measured,
        blocks=blocks,
        further_blocks=max(1, FEWEST_BLOCKS - (blocks if trials is None else trials)),
        details=tuple(details),
        rests_on=tuple(
            TrialSet(experiment=name, arm=arm.name, trials=tuple(sorted(arm.by_place)))
            for name, arm in arms
        ),
    )


def inside(
    what: str,
    parts: Callable[[Evidence], Sequence[Series]],
    *,
    low: float = -inf,
    high: float,
    bound: float,
    unit: Unit = Unit.TIMES,
    each: str = "",
    details: Sequence[Detail] = (),
) -> Rule:
    """Return the rule that a number lies within the published range."""
    whole = 100 if unit is Unit.SHARE else 1  # a share is a difference here, in points
    most = f"{amounts.brief(whole * high)} {each}".rstrip()
    within, outside, edges = f"below {most}", f"above {most}", most
    if low > -inf:
        least = amounts.brief(whole * low)
        within, outside = f"within {least} to {most}", f"outside {least} to {most}"
        edges = f"{least} or {most}"

    def judge(evidence: Evidence) -> Finding:
        found = parts(evidence)
        values = [value for part in found for value in part.values.values()]
        if unit is Unit.TIMES:
            centre = statistics.paired_ratio(values, [1.0] * len(values))
        else:
            centre = statistics.paired_difference(values, [0.0] * len(values), mean=True)
        blocks = min(len(part.values) for part in found)
        said = first(
            (blocks < FEWEST_BLOCKS, *TOO_FEW),
            (low <= centre.low and centre.high <= high, REPRODUCED, within),
            (centre.high < low or centre.low > high, REFUTED, outside),
            (True, INCONCLUSIVE, f"the interval reaches over {edges}"),
        )
        return Finding(
            *said,
            measured=replace(
                Measured.of(what, unit, centre, bound=bound), difference=unit is Unit.SHARE
            ),
            blocks=blocks,
            further_blocks=max(FEWEST_BLOCKS - blocks, FEWEST_BLOCKS // 2),
            details=tuple(lines(details, evidence)),
            rests_on=bases(found),
        )

    return judge


def either_way(what: str, each: Mapping[str, Contrast]) -> Finding:
    """Judge differences, by place, for which both directions were published.

    Refute if all are shown to be equal, else reproduce if one differs beyond its margin.
    """
    contrasts = list(each.values())
    few = too_few(contrasts)
    if few is not None:
        return few
    apart, alike = {}, any(any(one.values) for one in contrasts)
    for where, one in each.items():
        found = one.measured()
        alike = alike and found.low > -NEARLY_NONE and found.high < NEARLY_NONE
        if found.low > one.margin or found.high < -one.margin:
            apart[f"{what} {'more' if found.low > one.margin else 'less'} at {where}"] = one
    if alike:
        deciding = max(contrasts, key=_unlike)
        said = REFUTED, f"they differ by less than {amounts.bound(NEARLY_NONE)} of records"
        p = 2 * _unlike(deciding)
    elif apart:
        deciding = min(apart.values(), key=_same)
        said, p = (REPRODUCED, "; ".join(apart)), 2 * len(each) * _same(deciding)
    else:
        deciding, p = max(contrasts, key=lambda one: abs(one.estimate.point)), 1.0
        said = INCONCLUSIVE, "the intervals hold both no difference and one that matters"
        if not any(any(one.values) for one in contrasts):
            said = INCONCLUSIVE, "nothing was lost either way"
    return decided(said, deciding, contrasts, p=min(1.0, p))


def _same(contrast: Contrast) -> float:
    """Return the one-sided p of the difference not lying beyond the margin on its side."""
    margin = contrast.margin
    return min(one_sided(contrast.values, margin)[0], one_sided(contrast.values, -margin)[1])


def _unlike(contrast: Contrast) -> float:
    """Return the p of the difference lying beyond a hundredth on either side."""
    values = contrast.values
    return one_sided(values, NEARLY_NONE)[1] + one_sided(values, -NEARLY_NONE)[0]
