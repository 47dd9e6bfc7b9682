# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about events a second, and about what a consumer costs."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from statistics import median
from typing import Final

from bench.judge.samples import ArmSamples
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.contrast import (
    NEARLY_NONE,
    SURE,
    Contrast,
    alone,
    difference,
    ratio,
    ratio_margin,
    share_margin,
    sides,
    together,
)
from bench.questions.claims.evidence import Evidence, NotMeasured, Series, series
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.claims.quantities import (
    cpu_s_per_million,
    drained_per_s,
    dropped_share,
    raised_per_event,
)
from bench.questions.claims.rules import all_of, any_of, controlled, none_seen, say


def _rate(experiment: str, arm: ArmSamples) -> Series:
    return series(experiment, arm, drained_per_s)


def _words(name: str, experiment: str, arm: ArmSamples, reference: ArmSamples) -> str:
    """Rate and wake-ups of one arm beside a ratio to ``reference``, which the rate agrees with."""
    rate, _ = sides(_rate(experiment, arm), _rate(experiment, reference))
    text = f"{name}: {rate / 1e6:.2f} M/s"
    try:
        raised = series(experiment, arm, raised_per_event).values.values()
    except NotMeasured:
        return text
    return f"{text}, {median(raised):.3f} wake-ups raised per event"


def _faster(
    evidence: Evidence, experiment: str, left: ArmSamples, right: ArmSamples, what: str
) -> Contrast:
    margin = ratio_margin(evidence, drained_per_s, experiment)
    return ratio(what, _rate(experiment, left), _rate(experiment, right), margin)


def _by_default(evidence: Evidence) -> Finding:
    name = "rate-default"
    ring, perf = evidence.arm(name, "ringbuf"), evidence.arm(name, "perfbuf")
    details = [_words("rb", name, ring, perf), _words("pb", name, perf, perf)]
    details += (
        say(_faster(evidence, name, left, right, "with libbcc's readers"))
        for left in evidence.arms(name, "ringbuf", variant="libbcc")
        for right in evidence.arms(name, "perfbuf", variant="libbcc")
    )
    return all_of([_faster(evidence, name, ring, perf, "delivered a second, rb over pb")], details)


def _when_sampled(evidence: Evidence) -> Finding:
    """Judged with equal wake-ups: at its default the ring's depend on who is the quicker."""
    name = "rate-sampled"
    ring, perf = (evidence.arm(name, way, "every500") for way in ("ringbuf", "perfbuf"))
    details = [
        _words("rb, every 500th", name, ring, perf),
        _words("pb, every 500th", name, perf, perf),
    ]
    for usual in evidence.arms(name, "ringbuf", variant=""):
        words = "rb at its default over pb at every 500th"
        details += [
            _words("rb, default", name, usual, perf),
            say(_faster(evidence, name, usual, perf, words)),
        ]
    return all_of([_faster(evidence, name, ring, perf, "delivered a second, rb over pb")], details)


def _sharded(evidence: Evidence) -> Finding:
    """Refuted too if more is dropped, whatever the rate; no more has to be shown, with a margin."""
    name = "rate-default"
    sharded, perf = evidence.arm(name, "sharded"), evidence.arm(name, "perfbuf")
    faster = _faster(evidence, name, sharded, perf, "delivered a second, sharded rb over pb")
    drops = difference(
        "dropped, sharded rb less pb",
        series(name, sharded, dropped_share),
        series(name, perf, dropped_share),
        share_margin(evidence, dropped_share, name),
    )
    details = [_words("sharded", name, sharded, perf), _words("pb", name, perf, perf)]
    more = drops.measured()
    if more.low > more.bound and drops.p[0] < SURE:
        return Finding(
            verdict=Verdict.REFUTED,
            reason="it drops more",
            measured=more,
            blocks=drops.blocks,
            p=drops.p[0],
            details=(say(faster), *details),
            rests_on=(*faster.rests_on, *drops.rests_on),
        )
    return controlled(
        all_of([faster], details),
        drops,
        low=-inf,
        high=NEARLY_NONE,
        words=f"it drops no more, to {NEARLY_NONE:.0%} of records",
    )


def _on_one_cpu(evidence: Evidence) -> Finding:
    name = "same-cpu"
    ring, perf = evidence.arm(name, "ringbuf"), evidence.arm(name, "perfbuf")
    of_ring, of_perf = (series(name, arm, dropped_share) for arm in (ring, perf))
    drops = difference(
        "dropped, rb less pb", of_ring, of_perf, share_margin(evidence, dropped_share, name)
    )
    faster = _faster(evidence, name, ring, perf, "delivered a second, rb over pb")
    details = [_words("rb", name, ring, perf), _words("pb", name, perf, perf)]
    found = all_of([faster, drops], details)
    if not any(of_ring.values.values()) and all_of([faster]).verdict is Verdict.REPRODUCED:
        # A difference of exactly nothing has no interval that could lie below anything.
        records = sum(t.ledger.own_attempted for t in ring.trials if t.ledger is not None)
        return replace(
            found,
            verdict=Verdict.REFUTED,
            reason=f"rb delivers more, but dropped {none_seen(records, 'records')}",
            measured=faster.measured(),
            p=faster.p[0],
        )
    return controlled(
        found,
        alone("dropped on pb", of_perf),
        low=-inf,
        high=NEARLY_NONE,
        words=f"pb drops at most {NEARLY_NONE:.0%}",
    )


def _light_consumer(evidence: Evidence) -> Finding:
    name = "consumer-cost"
    light = evidence.arm(name, "ringbuf", "0ns")
    heavier = [(cost, evidence.arm(name, "ringbuf", cost)) for cost in ("100ns", "300ns", "1000ns")]
    contrasts = [
        _faster(evidence, name, arm, light, f"delivered a second, {cost} a record over none")
        for cost, arm in heavier
    ]
    details = [_words(cost, name, arm, light) for cost, arm in (("0ns", light), *heavier)]
    return any_of(contrasts, details)


def _consumer_cpu(evidence: Evidence) -> Finding:
    """Under both loads: where each record wakes the consumer, waking it is most of its cost."""
    loads = (
        ("under a storm", "storm", "1MiB"),
        ("under an amplified storm", "rate-default", ""),
    )
    each = []
    for words, name, budget in loads:
        perf, ring = (
            series(name, evidence.arm(name, transport, budget=budget), cpu_s_per_million)
            for transport in ("perfbuf", "ringbuf")
        )
        each.append(ratio(words, perf, ring, ratio_margin(evidence, cpu_s_per_million, name)))
    combined = together("consumer's CPU time a record, pb over rb, mean of both loads", each)
    return all_of([combined], [say(one) for one in each])


_AMPLIFIED: Final = "amplified, default wake-ups"

CLAIMS: Final = (
    Claim(
        id="rb-faster-default",
        side=Side.RING,
        statement="more events a second at default wake-ups",
        sources="BENCH",
        published="12.05 against 0.93 M/s",
        test=_AMPLIFIED,
        reproduced_when="delivered-rate ratio > 1",
        experiments=("rate-default",),
        judge=_by_default,
    ),
    Claim(
        id="rb-faster-sampled",
        side=Side.RING,
        statement="also when pb wakes every 500th",
        sources="BENCH",
        published="11.56 against 9.89 M/s",
        test="amplified, pb wakeup_events 500, rb woken as often; beside it rb at its default",
        reproduced_when="ratio > 1",
        experiments=("rate-sampled",),
        judge=_when_sampled,
    ),
    Claim(
        id="rb-less-consumer-cpu",
        side=Side.RING,
        statement="consuming costs less CPU",
        sources="Retina docs",
        published="1.5 to 6 times",
        test="CPU seconds per million events, under a storm and amplified",
        reproduced_when="pb/rb > 1",
        experiments=("storm", "rate-default"),
        judge=_consumer_cpu,
    ),
    Claim(
        id="sharded-rb-beats-pb",
        side=Side.RING,
        statement="one ring per CPU still beats pb",
        sources="BLOG",
        published="none",
        test="sharded ring buffers against pb, amplified",
        reproduced_when="rate ratio > 1, and at most 1 % more of the records dropped",
        experiments=("rate-default",),
        judge=_sharded,
    ),
    Claim(
        id="rb-same-cpu",
        side=Side.PERF,
        statement="sharing one CPU with its consumer, rb delivers more but drops, pb does not",
        sources="BENCH",
        published="3.05 and 3.54 dropped, against 1.39 and 0",
        test="producer and consumer on one CPU",
        reproduced_when="rate ratio > 1, more dropped on rb, and at most 1 % on pb",
        experiments=("same-cpu",),
        judge=_on_one_cpu,
    ),
    Claim(
        id="fast-consumer-hurts-rb",
        side=Side.PERF,
        statement="a lighter consumer is woken more and delivers less",
        sources="BENCH",
        published="8.16 against 12.05 M/s",
        test="consumer cost per record swept",
        reproduced_when="rate rises somewhere as the cost grows",
        experiments=("consumer-cost",),
        judge=_light_consumer,
    ),
)
