# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about wake-ups: when they are raised, what they cost, and whether one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bench.judge.statistics import FEWEST_BLOCKS, one_sided
from bench.plan.experiments import ArmName
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.contrast import (
    ABOUT_EQUAL,
    Contrast,
    difference,
    ratio,
    ratio_margin,
    ratio_of_ratios,
    share_margin,
    sides,
)
from bench.questions.claims.evidence import Evidence, NotApplicable, Series, series
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.claims.quantities import dropped_share, raised_per_event, steady_ns
from bench.questions.claims.rules import all_of, controlled, none_seen, say, too_few
from bench.questions.claims.stranded import late_records, late_share
from bench.trial.result import TrialResult

BURSTS: Final = 10_000
"""Bursts after none of which the last record may wait."""

_ALIKE: Final = 0.01
"""Difference of shares dropped below which two policies lose alike."""


def _adaptive(evidence: Evidence) -> Finding:
    name = "backlog"
    arms = [
        evidence.arm(name, transport, load)
        for transport in ("ringbuf", "perfbuf")
        for load in ("1x", "100x")
    ]
    if all(_raised(trial) is None for arm in arms for trial in arm.trials):
        raise NotApplicable("/proc/interrupts has no line IWI, so wake-ups raised are not told")
    ring_single, ring_many, perf_single, perf_many = (
        series(name, arm, raised_per_event) for arm in arms
    )
    margin = ratio_margin(evidence, raised_per_event, name)
    falls = ratio(
        "raised per event on rb, 1 over 100 records at once", ring_single, ring_many, margin
    )
    more = ratio_of_ratios(
        "the same, rb over pb", (ring_single, ring_many, perf_single, perf_many), margin
    )
    details = [
        f"{transport}, {load} records at once: {level:.3f} raised per event"
        for transport, way in (("rb", "ringbuf"), ("pb", "perfbuf"))
        for load, level in _levels(evidence, name, way)
    ]
    steady = ratio("raised per event on pb, 1 over 100 records at once", perf_single, perf_many, 0)
    return controlled(
        all_of([falls, more], details),
        steady,
        low=1 / ABOUT_EQUAL,
        high=ABOUT_EQUAL,
        words=f"pb's stay within {ABOUT_EQUAL:g} times",
    )


def _levels(evidence: Evidence, name: str, transport: str) -> Iterator[tuple[str, float]]:
    """Yield wake-ups raised per event by load, such that they agree with the paired ratios."""
    many = series(name, evidence.arm(name, transport, "100x"), raised_per_event)
    for load in ("1x", "10x", "100x"):
        for arm in evidence.arms(name, transport, variant=load):
            yield load, sides(series(name, arm, raised_per_event), many)[0]


def _raised(trial: TrialResult) -> int | None:
    return trial.cost.wakeups_raised if trial.cost is not None else None


def _none_missed(evidence: Evidence) -> Finding:
    """No record without a wake-up: a count of 0, with its bound.

    A record left without one waits for the next burst, at least the pause between them. So does one
    whose wake-up came while the machine was busy, however the consumer is woken. That as few waited
    where every record wakes would not show that none was left, and where a trial does not tell the
    two apart, only that none waited at all does.
    """
    name = "last-record"
    arms = [evidence.arm(name, "ringbuf", wake) for wake in ("adaptive", "forced")]
    adaptive, forced = (late_records(arm.trials) for arm in arms)
    shares = [series(name, arm, late_share) for arm in arms]
    words = "share that waited for the next burst, adaptive less forced"
    more = difference(words, shares[0], shares[1], 0.0)
    bursts = f"{adaptive.bursts:,} bursts"
    if adaptive.stranded:
        verdict = Verdict.REFUTED
        reason = f"{adaptive.stranded:,} records were left without a wake-up in {bursts}"
    elif adaptive.unknown:
        verdict = Verdict.INCONCLUSIVE
        reason = (
            f"of {adaptive.unknown:,} records that waited it is not known whether one was raised"
        )
    elif adaptive.bursts < BURSTS or more.blocks < FEWEST_BLOCKS:
        verdict, reason = Verdict.INCONCLUSIVE, f"{bursts} of {BURSTS:,}"
    else:
        verdict = Verdict.REPRODUCED
        reason = f"none left in {none_seen(adaptive.bursts, 'bursts')}"
    per_block = max(1, adaptive.bursts // max(1, len(arms[0].readings)))
    return Finding(
        verdict=verdict,
        reason=reason,
        measured=more.measured(),
        blocks=more.blocks,
        further_blocks=max(1, -(-(BURSTS - adaptive.bursts) // per_block)),
        details=(
            *([] if adaptive.stranded is None else [f"{adaptive.stranded:,} without a wake-up"]),
            f"{adaptive.late:,} of {adaptive.records:,} records waited for the next burst",
            f"{forced.late:,} of {forced.records:,} where every record wakes",
        ),
        rests_on=more.rests_on,
    )


def _by_hand(evidence: Evidence) -> Finding:
    name = "wake"

    def ns(policy: str, waiting: str) -> Series:
        return series(name, evidence.arm(name, "ringbuf", f"{policy}-{waiting}"), steady_ns)

    margin = ratio_margin(evidence, steady_ns, name)

    def costs(left: str, right: str, waiting: str) -> Contrast:
        words = f"kernel ns a record, {left} over {right}, {waiting} consumer"
        return ratio(words, ns(left, waiting), ns(right, waiting), margin)

    contrasts = [costs("adaptive", "none", "epoll"), costs("forced", "adaptive", "epoll")]
    details = []
    for waiting in ("epoll", "timed", "stopped"):
        none, adaptive, forced = (ns(policy, waiting) for policy in ("none", "adaptive", "forced"))
        of_adaptive, of_none = sides(adaptive, none)
        more, less = sides(forced, adaptive)
        levels = {"none": of_none, "adaptive": of_adaptive, "forced": of_adaptive * more / less}
        details += [
            f"{policy} wake-ups, {waiting} consumer: {level:,.0f} ns a record"
            for policy, level in levels.items()
        ]
    return all_of(contrasts, details)


def _forced_in_bursts(evidence: Evidence) -> Finding:
    """Both directions were published: the claim is that forced wake-ups matter for losses.

    They may lose more at one budget and less at another, so a mean over budgets would say nothing.
    """
    name = "burst-forced"
    each = []
    for adaptive in evidence.arms(name, "ringbuf", variant="adaptive"):
        budget = ArmName.parse(adaptive.name).budget
        margin = share_margin(_at_budget(evidence, name, budget), dropped_share, name)
        each += [
            difference(
                f"dropped at {budget}, forced less adaptive",
                series(name, forced, dropped_share),
                series(name, adaptive, dropped_share),
                margin,
            )
            for forced in evidence.arms(name, "ringbuf", variant="forced", budget=budget)
        ]
    if not each:
        evidence.arm(name, "ringbuf", "forced")  # NotMeasured
    few = too_few(each)
    if few is not None:
        return few
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


def _at_budget(evidence: Evidence, name: str, budget: str) -> Evidence:
    """Evidence with no other budgets in that experiment: an A/A pair speaks for its own."""
    samples = evidence.experiments[name]
    arms = {
        arm: found for arm, found in samples.arms.items() if ArmName.parse(arm).budget == budget
    }
    return replace(evidence, experiments={name: replace(samples, arms=arms)})


def _direction(contrast: Contrast) -> str:
    """Which way forced wake-ups lead beyond the margin, and where; "" for neither."""
    found = contrast.measured()
    where = contrast.what.removeprefix("dropped at ").partition(",")[0]
    if found.low > contrast.margin:
        return f"forced wake-ups lose more at {where}"
    return f"forced wake-ups lose less at {where}" if found.high < -contrast.margin else ""


def _chance(contrast: Contrast) -> float:
    """One-sided p of the difference's not lying beyond the margin on its side."""
    more, _ = one_sided(contrast.values, contrast.margin)
    _, less = one_sided(contrast.values, -contrast.margin)
    return min(more, less)


def _alike(contrast: Contrast) -> bool:
    found = contrast.measured()
    return found.low > -_ALIKE and found.high < _ALIKE


def _unlike(contrast: Contrast) -> float:
    """p of the difference's lying beyond a hundredth on either side."""
    _, below = one_sided(contrast.values, _ALIKE)
    above, _ = one_sided(contrast.values, -_ALIKE)
    return above + below


CLAIMS: Final = (
    Claim(
        id="rb-adaptive-wakeup",
        side=Side.RING,
        statement="wakes the consumer only when it has caught up",
        sources="DOC",
        published="none",
        test="wake-ups *raised* (irq_work) per event against load",
        reproduced_when="falls with backlog on rb, and within 1.25 times the same on pb",
        experiments=("backlog",),
        judge=_adaptive,
    ),
    Claim(
        id="rb-no-missed-wakeup",
        side=Side.RING,
        statement="no record is left stranded without a wake-up",
        sources="BLOG",
        published="none",
        test="last event of a burst, blocking poll",
        reproduced_when=(
            "no record without a wake-up in 10,000 bursts, with its bound; where journals do not "
            "tell, no record that waited for the next burst"
        ),
        experiments=("last-record",),
        judge=_none_missed,
        comparative=False,
    ),
    Claim(
        id="manual-wakeup-boost",
        side=Side.RING,
        statement="batching wake-ups by hand raises throughput",
        sources="BENCH; taodd/cephtrace#188",
        published="1.1 to 20.9 M/s; 25 ns without, 1,410 ns with a waiting consumer",
        test="kernel ns per record for adaptive, none, forced x waiting, timed drain",
        reproduced_when="none < adaptive < forced",
        experiments=("wake",),
        judge=_by_hand,
    ),
    Claim(
        id="force-wakeup",
        side=Side.PERF,
        statement="forced wake-ups cut losses (a tracexec report) or make it worse",
        sources="a tracexec report; cilium/pwru#195",
        published="contradictory",
        test="burst, adaptive against forced, the reader on a CPU of its own",
        reproduced_when=(
            "say which at which budget, with the interval; refuted if they are shown to differ by "
            "less than 1 % of records at every budget"
        ),
        experiments=("burst-forced",),
        judge=_forced_in_bursts,
    ),
)
