# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about kernel ns per record: calls, refusals, contention."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Final

from bench.judge.samples import ArmSamples
from bench.plan.experiments import ArmName
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.contrast import (
    Contrast,
    ratio,
    ratio_margin,
    ratio_of_ratios,
    sides,
    together,
)
from bench.questions.claims.evidence import Evidence, NotMeasured, Series, Take, series
from bench.questions.claims.finding import Finding
from bench.questions.claims.quantities import (
    drained_per_s,
    ns_per_refusal,
    ns_per_success,
    steady_ns,
)
from bench.questions.claims.rules import all_of, say


def _reserve_beats_output(evidence: Evidence) -> Finding:
    name = "reserve-output"
    margin = ratio_margin(evidence, steady_ns, name)
    sizes = sorted(
        int(ArmName.parse(arm.name).variant.partition("-")[2])
        for arm in evidence.arms(name, "ringbuf")
        if ArmName.parse(arm.name).variant.startswith("output-")
    )
    if not sizes:
        raise NotMeasured(name)
    each = []
    for size in sizes:
        output, reserve = (
            series(name, evidence.arm(name, "ringbuf", f"{call}-{size}"), steady_ns)
            for call in ("output", "reserve")
        )
        each.append(ratio(f"with {size:,} bytes of payload", output, reserve, margin))
    combined = together("kernel ns a record, output over reserve, mean over sizes", each)
    return all_of([combined], [say(one) for one in each])


def _no_wasted_work(evidence: Evidence) -> Finding:
    name = "full"
    margin = ratio_margin(evidence, ns_per_refusal, name)
    reserve, output, perf = (
        series(name, evidence.arm(name, transport, variant), ns_per_refusal)
        for transport, variant in (
            ("ringbuf", "1cpu"),
            ("ringbuf", "output-1cpu"),
            ("perfbuf", "1cpu"),
        )
    )
    return all_of(
        [
            ratio("ns a refused write, rb output over reserve", output, reserve, margin),
            ratio("ns a refused write, pb output over rb reserve", perf, reserve, margin),
        ],
        [
            f"{name}: {sides(part, reserve)[0]:,.0f} ns a refused write"
            for name, part in (("reserve", reserve), ("rb output", output), ("pb output", perf))
        ],
    )


def _by_producers(evidence: Evidence, name: str, transport: str) -> dict[int, ArmSamples]:
    """Arms by how many CPUs write, ascending; NotMeasured with fewer than two of them."""
    found = {
        int(variant.removesuffix("cpu")): arm
        for arm in evidence.arms(name, transport)
        if (variant := ArmName.parse(arm.name).variant).removesuffix("cpu").isdigit()
    }
    if len(found) < 2:
        raise NotMeasured(name)
    return dict(sorted(found.items()))


def _ends(evidence: Evidence, name: str, transport: str, take: Take) -> tuple[Series, Series]:
    """The number at the most CPUs and at one."""
    arms = list(_by_producers(evidence, name, transport).values())
    return series(name, arms[-1], take), series(name, arms[0], take)


def _curve(evidence: Evidence, name: str, transport: str, take: Take) -> dict[int, float]:
    """Return the number by CPUs that write, such that it agrees with the paired growth from one."""
    arms = _by_producers(evidence, name, transport)
    parts = {count: series(name, arm, take) for count, arm in arms.items()}
    one = parts[min(parts)]
    return {count: sides(part, one)[0] for count, part in parts.items()}


def _curves(
    evidence: Evidence, name: str, take: Take, growths: Contrast | None = None
) -> Iterator[str]:
    """Yield both curves; the last of perf's points agrees with ``growths``, rb's over pb's."""
    ring, perf = (_curve(evidence, name, way, take) for way in ("ringbuf", "perfbuf"))
    if growths is not None:
        growth = ring[max(ring)] / ring[min(ring)]
        perf[max(perf)] = perf[min(perf)] * growth / growths.estimate.point
    for words, points in (("rb", ring), ("pb", perf)):
        text = ", ".join(f"{ns:,.0f} ns at {count}" for count, ns in points.items())
        yield f"{words}, by CPUs that write: {text}"


def _contention(evidence: Evidence) -> Finding:
    name = "producers"
    margin = ratio_margin(evidence, ns_per_success, name)
    most, one = _ends(evidence, name, "ringbuf", ns_per_success)
    grows = ratio("kernel ns a write on rb, all CPUs over one", most, one, margin)
    return all_of([grows], [*_curves(evidence, name, ns_per_success), *_delivered(evidence)])


def _delivered(evidence: Evidence) -> Iterator[str]:
    """What reaches a reader, where that was measured: it need not fall as writes grow dearer.

    A second producer finds the ring less often empty, and so wakes the reader less.
    """
    name = "rate-default"
    one = evidence.arms(name, "ringbuf", variant="1cpu")
    every = evidence.arms(name, "ringbuf", variant="")
    if one and every:
        rates = (
            median(series(name, arms[-1], drained_per_s).values.values()) for arms in (one, every)
        )
        words = "{:.2f} M/s from one CPU, {:.2f} from all".format(*(rate / 1e6 for rate in rates))
        yield f"delivered on rb to a reader on epoll: {words}"


def _perf_scales(evidence: Evidence) -> Finding:
    name = "producers"
    margin = ratio_margin(evidence, ns_per_success, name)
    ring_most, ring_one = _ends(evidence, name, "ringbuf", ns_per_success)
    perf_most, perf_one = _ends(evidence, name, "perfbuf", ns_per_success)
    dearer = ratio("kernel ns a write at all CPUs, rb over pb", ring_most, perf_most, margin)
    growths = ratio_of_ratios(
        "growth from one CPU to all, rb over pb", (ring_most, ring_one, perf_most, perf_one), margin
    )
    return all_of([dearer, growths], list(_curves(evidence, name, ns_per_success, growths)))


def _full_still_locks(evidence: Evidence) -> Finding:
    name = "full"
    margin = ratio_margin(evidence, ns_per_refusal, name)
    ring_most, ring_one = _ends(evidence, name, "ringbuf", ns_per_refusal)
    perf_most, perf_one = _ends(evidence, name, "perfbuf", ns_per_refusal)
    grows = ratio("ns a refused write on rb, all CPUs over one", ring_most, ring_one, margin)
    growths = ratio_of_ratios(
        "the same growth, rb over pb", (ring_most, ring_one, perf_most, perf_one), margin
    )
    return all_of([grows, growths], list(_curves(evidence, name, ns_per_refusal, growths)))


def _output_slower(evidence: Evidence) -> Finding:
    name = "wake"
    margin = ratio_margin(evidence, steady_ns, name)

    def ns(transport: str, variant: str) -> Series:
        return series(name, evidence.arm(name, transport, variant), steady_ns)

    contrast = ratio(
        "kernel ns a record with nobody woken, rb output over pb output",
        ns("ringbuf", "output-none-epoll"),
        ns("perfbuf", "none-epoll"),
        margin,
    )
    woken = (
        ("rb output, adaptive", "ringbuf", "output-adaptive-epoll"),
        ("rb output, forced", "ringbuf", "output-forced-epoll"),
        ("pb, every record", "perfbuf", "adaptive-epoll"),
    )
    details = [
        f"{words}: {median(ns(transport, variant).values.values()):,.0f} ns a record"
        for words, transport, variant in woken
    ]
    details.append("the published run installed no perf readers, so its pb calls failed at once")
    return all_of([contrast], details)


def _busy_poll(evidence: Evidence) -> Finding:
    name = "busy-poll"
    margin = ratio_margin(evidence, steady_ns, name)
    parts = [
        series(name, evidence.arm(name, transport, variant), steady_ns)
        for transport in ("ringbuf", "perfbuf")
        for variant in ("busy", "asleep")
    ]
    tax = ratio_of_ratios("cost of busy polling to the producer, rb over pb", parts, margin)
    perf_busy, perf = sides(parts[2], parts[3])
    ring = median(parts[1].values.values())
    ring_busy = ring * perf_busy / perf * tax.estimate.point  # so that the four agree with it
    words = ("rb, busy", "rb, asleep", "pb, busy", "pb, asleep")
    return all_of(
        [tax],
        [
            f"{name}: {ns:,.0f} ns a record"
            for name, ns in zip(words, (ring_busy, ring, perf_busy, perf), strict=True)
        ],
    )


CLAIMS: Final = (
    Claim(
        id="reserve-beats-output",
        side=Side.RING,
        statement="reserve/submit is cheaper than output with its copy",
        sources="TUT, BENCH",
        published="22.82 against 18.91 M/s",
        test="amplified; kernel ns per record, record sizes swept",
        reproduced_when="ns per record lower for reserve",
        experiments=("reserve-output",),
        judge=_reserve_beats_output,
    ),
    Claim(
        id="rb-no-wasted-work",
        side=Side.RING,
        statement="a full ring refuses before the record is built",
        sources="TUT, BLOG",
        published="none",
        test="stalled consumer",
        reproduced_when="ns per failed run lower for reserve than for both output calls",
        experiments=("full",),
        judge=_no_wasted_work,
    ),
    Claim(
        id="rb-contention",
        side=Side.PERF,
        statement="one ring's lock limits many producers",
        sources="BENCH",
        published="10.9 at 1 producer, 4.9 at 2, 2.07 at 52",
        test=(
            "in-kernel ns per successful write, producers 1..CPUs, a buffer that holds the whole "
            "trial, reader stopped; and delivered rate"
        ),
        reproduced_when="ns per write grows; report the curve",
        experiments=("producers", "rate-default"),
        judge=_contention,
        cpus=2,
    ),
    Claim(
        id="pb-scales",
        side=Side.PERF,
        statement="per-CPU buffers scale with CPUs where one ring does not",
        sources="BLOG",
        published="none found",
        test="the same sweep on pb, sampled 50",
        reproduced_when=(
            "a crossover exists up to the CPUs at hand; report where; not applicable below 4 CPUs "
            "for the delivered rate"
        ),
        experiments=("producers",),
        judge=_perf_scales,
        cpus=4,
    ),
    Claim(
        id="rb-full-still-locks",
        side=Side.PERF,
        statement="a full ring still contends for its lock",
        sources="josefbacik/systing#210",
        published="85 % of events lost on 192 CPUs",
        test="stopped reader, in-kernel ns per refused write, producers 1..CPUs",
        reproduced_when="grows on rb, and by more than on pb",
        experiments=("full",),
        judge=_full_still_locks,
        cpus=2,
    ),
    Claim(
        id="rb-output-slower",
        side=Side.PERF,
        statement="a ring output call costs more than a perf one",
        sources="cilium/pwru#195, jschwinger233/bpf_k2u_benchmark",
        published="81 ms pb, 198 ms rb unwoken, 1,821 ms rb forced, for 10 M calls",
        test="with live readers, successes only",
        reproduced_when=(
            "ns per successful run higher on rb. The published run installed no perf readers, so "
            "its pb calls failed at once: say so"
        ),
        experiments=("wake",),
        judge=_output_slower,
    ),
    Claim(
        id="busy-poll-taxes-rb",
        side=Side.PERF,
        statement="a busy-polling consumer slows the ring's producers more than the perf buffer's",
        sources="seen here, not published",
        published="none",
        test="kernel ns per record, consumer busy polling against asleep",
        reproduced_when="ratio on rb above the ratio on pb",
        experiments=("busy-poll",),
        judge=_busy_poll,
        cpus=2,
    ),
)
