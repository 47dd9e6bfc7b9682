# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about kernel ns per record: calls, refusals, contention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from bench.judge.numbers import number
from bench.judge.samples import ArmSamples
from bench.linux.pages import PAGE_BYTES
from bench.plan.config import Call, Wake
from bench.plan.experiments import ArmName, Experiment
from bench.questions.claims.claim import for_perf, for_ring
from bench.questions.claims.compare import Comparison, Detail, Of, levels, over
from bench.questions.claims.contrast import Contrast, sides
from bench.questions.claims.evidence import Evidence, NotMeasured, series
from bench.questions.claims.quantities import ns_per_refusal, ns_per_success, steady_ns
from bench.questions.claims.rules import above, mean_above
from bench.questions.claims.setting import (
    MORE_BLOCKS,
    MOST_BLOCKS,
    STOPPED,
    Setting,
    experiment,
    sending,
)
from bench.questions.transports.profiles import PERFBUF, RINGBUF


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Return kernel ns per record: by call, by record size, by producers, by room."""
    quiet = on.amplified(200, 100, wake=Wake.NONE, consumer=STOPPED, kernel_stats=True)
    sizes = {
        size: replace(sending(quiet, payload_bytes=size), storm=replace(quiet.storm, count=exits))
        for size, exits in ((0, 400), (256, 400), (1_024, 200), (4_096, 60))
    }
    # All records of all CPUs fit into the buffer of each, so that with many CPUs they are fewer.
    at_once = max(50, min(1_000, 8_000 // on.count))
    held = on.amplified(240, at_once, consumer=STOPPED, kernel_stats=True)
    room_bytes = on.holding_on_each(held)
    perf_held = sending(held, wake=Wake.WATERMARK, watermark=50)
    refused = on.amplified(400, 1_000, wake=Wake.NONE, consumer=STOPPED, kernel_stats=True)
    output = on.on_cpus(sending(refused, call=Call.OUTPUT), 1)
    least_bytes = 16 * PAGE_BYTES
    return (
        experiment(
            "reserve-output",
            "Is reserve and submit cheaper than the output call, equally seldom woken?",
            (
                on.arm(RINGBUF, on.holding(config), f"{call}-{size}", sending(config, call=call))
                for size, config in sizes.items()
                for call in Call
            ),
            blocks=MOST_BLOCKS,
        ),
        experiment(
            "producers",
            "What does a successful write cost as more CPUs write?",
            (
                on.arm(transport, room_bytes, f"{count}cpu", on.on_cpus(config, count))
                for count in on.producers()
                for transport, config in ((RINGBUF, held), (PERFBUF, perf_held))
            ),
            blocks=MOST_BLOCKS,
        ),
        experiment(
            "full",
            "What does a refused write cost, and does it grow as more CPUs write?",
            (
                *(
                    arm
                    for count in on.producers()
                    for arm in on.each(least_bytes, {f"{count}cpu": on.on_cpus(refused, count)})
                ),
                on.arm(RINGBUF, least_bytes, "output-1cpu", output),
            ),
            blocks=MORE_BLOCKS,
        ),
    )


def _by_size(evidence: Evidence) -> list[Contrast]:
    at = partial(Of, steady_ns, "reserve-output", "ringbuf")
    names = (ArmName.parse(arm.name) for arm in evidence.arms("reserve-output", "ringbuf"))
    sizes = [int(each.variant[7:]) for each in names if each.variant.startswith("output-")]
    if not sizes:
        raise NotMeasured("reserve-output")
    return [
        over(f"with {size:,} bytes of payload", *map(at, (f"output-{size}", f"reserve-{size}")))(
            evidence
        )
        for size in sorted(sizes)
    ]


_REFUSALS: Final = {
    "reserve": Of(ns_per_refusal, "full", "ringbuf", "1cpu"),
    "rb output": Of(ns_per_refusal, "full", "ringbuf", "output-1cpu"),
    "pb output": Of(ns_per_refusal, "full", "perfbuf", "1cpu"),
}
_RESERVE, _OUTPUT, _PERF = _REFUSALS.values()


def _by_producers(evidence: Evidence, name: str, transport: str) -> dict[int, ArmSamples]:
    """Return arms by how many CPUs write, ascending; NotMeasured with fewer than two of them."""
    found = {
        int(variant.removesuffix("cpu")): arm
        for arm in evidence.arms(name, transport)
        if (variant := ArmName.parse(arm.name).variant).removesuffix("cpu").isdigit()
    }
    if len(found) < 2:
        raise NotMeasured(name)
    return dict(sorted(found.items()))


class _From(Of):
    """A number where one CPU writes (variant "one"), or the most of them ("all")."""

    def arm(self, evidence: Evidence) -> ArmSamples:
        arms = list(_by_producers(evidence, self.experiment, self.transport).values())
        return arms[0] if self.variant == "one" else arms[-1]


_WRITES, _REFUSED = (
    tuple(
        _From(take, name, transport, end)
        for transport in ("ringbuf", "perfbuf")
        for end in ("all", "one")
    )
    for take, name in (
        (ns_per_success, "producers"),
        (ns_per_refusal, "full"),
    )
)
_GROWTH: Final = over("growth from one CPU to all, rb over pb", *_WRITES)
_REFUSED_GROWTH: Final = over("the same growth, rb over pb", *_REFUSED)


def _curve(evidence: Evidence, one: Of) -> dict[int, float]:
    """Return the number by CPUs that write, such that it agrees with the paired growth from one."""
    arms = _by_producers(evidence, one.experiment, one.transport)
    least = one(evidence)
    return {
        count: sides(series(one.experiment, arm, one.take), least)[0] for count, arm in arms.items()
    }


def _curves(parts: Sequence[Of], growths: Comparison | None = None) -> Detail:
    """Return both curves; the last of perf's points agrees with ``growths``, rb's over pb's."""

    def lines(evidence: Evidence) -> Iterator[str]:
        ring, perf = _curve(evidence, parts[1]), _curve(evidence, parts[3])
        if growths is not None:
            growth = ring[max(ring)] / ring[min(ring)]
            perf[max(perf)] = perf[min(perf)] * growth / growths(evidence).estimate.point
        for words, points in (("rb", ring), ("pb", perf)):
            text = ", ".join(f"{ns:,.0f} ns at {count}" for count, ns in points.items())
            yield f"{words}, by CPUs that write: {text}"

    return lines


def _delivered(evidence: Evidence) -> Iterator[str]:
    """Yield what reaches a reader, where measured: it need not fall as writes cost more.

    A second producer finds the ring less often empty, and so wakes the reader less.
    """
    name = "rate-default"
    if all(evidence.arms(name, "ringbuf", variant=which) for which in ("1cpu", "")):
        one, every = (Of(number("drained_per_s"), name, "ringbuf", which) for which in ("1cpu", ""))
        rates = (part.median(evidence) for part in (one, every))
        words = "{:.2f} M/s from one CPU, {:.2f} from all".format(*(rate / 1e6 for rate in rates))
        yield f"delivered on rb to a reader on epoll: {words}"


CLAIMS: Final = (
    for_ring(
        id="reserve-beats-output",
        statement="reserve/submit is cheaper than output with its copy",
        sources="TUT, BENCH",
        published="22.82 against 18.91 M/s",
        test="amplified; kernel ns per record, record sizes swept",
        reproduced_when="ns per record lower for reserve",
        experiments=("reserve-output",),
        rule=mean_above("kernel ns a record, output over reserve, mean over sizes", _by_size),
    ),
    for_ring(
        id="rb-no-wasted-work",
        statement="a full ring refuses before the record is built",
        sources="TUT, BLOG",
        test="stalled consumer",
        reproduced_when="ns per failed run lower for reserve than for both output calls",
        experiments=("full",),
        rule=above(
            over("ns a refused write, rb output over reserve", _OUTPUT, _RESERVE),
            over("ns a refused write, pb output over rb reserve", _PERF, _RESERVE),
            details=(levels("{}: {:,.0f} ns a refused write", _REFUSALS, _RESERVE),),
        ),
    ),
    for_perf(
        id="rb-contention",
        statement="one ring's lock limits many producers",
        sources="BENCH",
        published="10.9 at 1 producer, 4.9 at 2, 2.07 at 52",
        test="in-kernel ns per successful write, producers 1..CPUs, a buffer that holds the whole "
        "trial, reader stopped; and delivered rate",
        reproduced_when="ns per write grows; report the curve",
        experiments=("producers", "rate-default"),
        rule=above(
            over("kernel ns a write on rb, all CPUs over one", *_WRITES[:2]),
            details=(_curves(_WRITES), _delivered),
        ),
        cpus=2,
    ),
    for_perf(
        id="pb-scales",
        statement="per-CPU buffers scale with CPUs where one ring does not",
        sources="BLOG",
        published="none found",
        test="the same sweep on pb, sampled 50",
        reproduced_when="a crossover exists up to the CPUs at hand; report where; not applicable "
        "below 4 CPUs for the delivered rate",
        experiments=("producers",),
        rule=above(
            over("kernel ns a write at all CPUs, rb over pb", _WRITES[0], _WRITES[2]),
            _GROWTH,
            details=(_curves(_WRITES, _GROWTH),),
        ),
        cpus=4,
    ),
    for_perf(
        id="rb-full-still-locks",
        statement="a full ring still contends for its lock",
        sources="josefbacik/systing#210",
        published="85 % of events lost on 192 CPUs",
        test="stopped reader, in-kernel ns per refused write, producers 1..CPUs",
        reproduced_when="grows on rb, and by more than on pb",
        experiments=("full",),
        rule=above(
            over("ns a refused write on rb, all CPUs over one", *_REFUSED[:2]),
            _REFUSED_GROWTH,
            details=(_curves(_REFUSED, _REFUSED_GROWTH),),
        ),
        cpus=2,
    ),
)
