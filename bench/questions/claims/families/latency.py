# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about latency."""

from __future__ import annotations

from statistics import median
from typing import Final

from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import Unit
from bench.judge.statistics import FEWEST_BLOCKS, paired_ratio
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.contrast import ratio, ratio_margin, ratio_of_ratios, sides
from bench.questions.claims.evidence import Evidence, series
from bench.questions.claims.finding import Finding, Measured
from bench.questions.claims.quantities import (
    latency_p50_ns,
    quiet_latency_p50_ns,
    quiet_latency_p99_ns,
    waited_share,
)
from bench.questions.claims.rules import all_of, within

_SAMPLES: Final = ("every100", "every400")


def _us(words: str, ns: float) -> str:
    return f"{words}: {ns / 1e3:,.1f} us"


def _epoll_and_busy(evidence: Evidence) -> Finding:
    name = "waiting"
    contrasts, details = [], []
    for words, transport in (("rb", "ringbuf"), ("pb", "perfbuf")):
        epoll, busy = (
            series(name, evidence.arm(name, transport, way), latency_p50_ns)
            for way in ("epoll", "busy")
        )
        contrasts.append(ratio(f"p50 on {words}, epoll over busy", epoll, busy, LEAST_MARGIN))
        of_epoll, of_busy = sides(epoll, busy)
        details += [
            _us(f"{words} on epoll, p50", of_epoll),
            _us(f"{words} polled busily, p50", of_busy),
        ]
    return all_of(contrasts, details)


def _slow_producer(evidence: Evidence) -> Finding:
    name = "slow-producer"
    arms = [
        evidence.arm(name, transport, variant)
        for transport in ("ringbuf", "perfbuf")
        for variant in ("delayed", "prompt")
    ]
    margin = ratio_margin(evidence, quiet_latency_p50_ns, name)
    parts = [series(name, arm, quiet_latency_p50_ns) for arm in arms]
    rises = ratio("other CPUs' latency on rb, delayed over prompt", parts[0], parts[1], margin)
    more = ratio_of_ratios("the same, rb over pb", parts, margin)
    words = ("rb, delayed", "rb, prompt", "pb, delayed", "pb, prompt")
    delayed, prompt = sides(parts[0], parts[1])
    perf = median(parts[3].values.values())
    perf_delayed = perf * delayed / prompt / more.estimate.point  # so that all four agree with it
    levels = (delayed, prompt, perf_delayed, perf)
    details = [_us(f"{each}, p50", level) for each, level in zip(words, levels, strict=True)]
    details += [
        _us(
            f"{each}, p99",
            median(series(name, arm, quiet_latency_p99_ns).values.values()),
        )
        for each, arm in zip(words, arms, strict=True)
    ]
    return all_of([rises, more], details)


def _sampled(evidence: Evidence) -> Finding:
    name = "sampling"
    parts = [series(name, evidence.arm(name, "perfbuf", each), waited_share) for each in _SAMPLES]
    values = [value for part in parts for value in part.values.values()]
    found = paired_ratio(values, [1.0] * len(values))
    measured = Measured(
        what="p99 latency over N x inter-arrival time",
        unit=Unit.TIMES,
        point=found.point,
        low=found.low,
        high=found.high,
        bound=1.0,
    )
    blocks = min(len(part.values) for part in parts)
    verdict, reason = within(measured, low=0.5, high=2.0, blocks=blocks)
    return Finding(
        verdict=verdict,
        reason=reason,
        measured=measured,
        blocks=blocks,
        further_blocks=max(FEWEST_BLOCKS - blocks, FEWEST_BLOCKS // 2),
        details=tuple(
            f"{each}: {median(part.values.values()):.2f} times"
            for each, part in zip(_SAMPLES, parts, strict=True)
        ),
        rests_on=tuple(basis for part in parts for basis in part.rests_on),
    )


CLAIMS: Final = (
    Claim(
        id="rb-epoll-and-busy",
        side=Side.RING,
        statement="epoll and busy polling both work, the latter with the least latency",
        sources="TUT",
        published="none",
        test="trickle under both",
        reproduced_when="busy p50 < epoll p50 on both transports",
        experiments=("waiting",),
        judge=_epoll_and_busy,
        comparative=False,
    ),
    Claim(
        id="pb-sampling-cost",
        side=Side.RING,
        statement="sampled pb wake-ups delay up to N-1 events",
        sources="BENCH, BLOG",
        published="none",
        test="trickle, wakeup_events N",
        reproduced_when="p99 is 0.5 to 2 times N x inter-arrival time",
        experiments=("sampling",),
        judge=_sampled,
        comparative=False,
    ),
    Claim(
        id="rb-slow-producer",
        side=Side.PERF,
        statement="a record not yet committed holds back later ones",
        sources="DOC",
        published="none",
        test="a delay between reserve and submit on one CPU",
        reproduced_when="latency rises for other CPUs on rb, and by more than on pb",
        experiments=("slow-producer",),
        judge=_slow_producer,
        cpus=2,
    ),
)
