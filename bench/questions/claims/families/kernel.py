# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about the kernel: ns per record by call, refusal and contention; its version."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Final

from bench.amounts import counted, millions, time
from bench.judge.numbers import number
from bench.judge.samples import ArmSamples
from bench.linux.pages import PAGE_BYTES
from bench.plan.config import Call, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities
from bench.questions.claims.claim import Finding, Measured, Side
from bench.questions.claims.compare import (
    WAYS,
    ContrastOf,
    Detail,
    Of,
    form,
    grown,
    levels,
    over,
)
from bench.questions.claims.contrast import Contrast, sides
from bench.questions.claims.evidence import Evidence, NotApplicable, NotMeasured, series
from bench.questions.claims.planner import BLOCKS, MORE_BLOCKS, Planner, sending, titled
from bench.questions.claims.rules import INCONCLUSIVE, REFUTED, REPRODUCED, above, first, mean_above
from bench.questions.transports.profiles import AWAY, BUSY, PERFBUF, RINGBUF, TRANSPORTS

_FIRST: Final = (5, 8)
_NEAR: Final = (5, 19)  # a matrix without one this old cannot show when rings appeared

_titled = titled(
    {
        "producers": "What does a successful write cost as more CPUs write?",
        "full": "What does a refused write cost, and does it grow as more CPUs write?",
    }
)

_CALLS: Final = "reserve-output-"
"""Prefix of the names of duets; the bytes of payload follow."""

_EXITS: Final = {0: 400, 256: 400, 1_024: 200, 4_096: 60}  # by bytes of payload
_READERS: Final = {"busy": BUSY, "asleep": AWAY}


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return kernel ns per record: by call, by record size, by producers, by room, by reader."""
    costing = partial(on.amplified, kernel_stats=True)
    quiet = costing(200, 100, wake=Wake.NONE, consumer=AWAY)
    sizes = {
        size: replace(sending(quiet, payload_bytes=size), storm=replace(quiet.storm, count=exits))
        for size, exits in _EXITS.items()
    }
    # All records of all CPUs fit into each one's buffer, so with many CPUs there are fewer.
    at_once = max(50, min(1_000, 8_000 // on.count))
    held = costing(240, at_once, consumer=AWAY)
    room_bytes = on.holding(held, times=inf)
    perf_held = sending(held, wake=Wake.WATERMARK, watermark=50)
    refused = costing(400, 1_000, wake=Wake.NONE, consumer=AWAY)
    least_bytes = 16 * PAGE_BYTES
    alone = on.on_cpus(costing(240, at_once, wake=Wake.NONE), 1)
    calls = (
        on.duet(
            f"{_CALLS}{size}",
            "Is reserve and submit cheaper than output, equally seldom woken?",
            {call: (RINGBUF, sending(config, call=call)) for call in (Call.RESERVE, Call.OUTPUT)},
            on.holding(config),
        )
        for size, config in sizes.items()
    )
    readers = {name: replace(each, cpu=on.cpus[-1]) for name, each in _READERS.items()}
    beside = (
        on.duet(
            f"beside-{name}",
            "What does a record cost the producer beside a consumer that sleeps, or polls busily?",
            {way: (way, replace(alone, consumer=reader)) for way in TRANSPORTS},
            on.holding(alone, times=inf),
            storms=BLOCKS,  # the ring's cost is severalfold
        )
        for name, reader in readers.items()
    )
    writes = (
        on.arm(transport, room_bytes, f"{count}cpu", on.on_cpus(config, count))
        for count in on.producers()
        for transport, config in ((RINGBUF, held), (PERFBUF, perf_held))
    )
    refusals = [
        arm
        for count in on.producers()
        for arm in on.each(least_bytes, {f"{count}cpu": on.on_cpus(refused, count)})
    ]
    output = on.on_cpus(sending(refused, call=Call.OUTPUT), 1)
    refusals.append(on.arm(RINGBUF, least_bytes, "output-1cpu", output))
    return (
        *calls,
        _titled("producers", writes, blocks=MORE_BLOCKS),
        _titled("full", refusals),
        *beside,
    )


def _duet(name: str, way: str, variant: str, blocks: str, variant_of_blocks: str) -> Of:
    """Take the time of a write in a duet or, for journals without it, in blocks."""
    before = Of(quantities.steady_ns, blocks, way, variant_of_blocks)
    return Of(quantities.steady_write_ns, name, way, variant, before=before)


def _by_size(evidence: Evidence) -> list[Contrast]:
    """Compare by size in duets or, for journals without them, in blocks."""
    variants = [str(arm.name.variant) for arm in evidence.arms("reserve-output", RINGBUF)]
    duets = [name for name in evidence.experiments if name.startswith(_CALLS)]
    names = duets or [each for each in variants if each.startswith("output-")]
    if not names:
        raise NotMeasured("reserve-output")
    return [
        over(
            f"with {size:,} bytes of payload",
            *(
                _duet(f"{_CALLS}{size}", RINGBUF, call, "reserve-output", f"{call}-{size}")
                for call in (Call.OUTPUT, Call.RESERVE)
            ),
        )(evidence)
        for size in sorted(int(name.rpartition("-")[2]) for name in names)
    ]


_REFUSALS: Final = {
    "reserve": Of(quantities.ns_per_refusal, "full", "ringbuf", "1cpu"),
    "rb output": Of(quantities.ns_per_refusal, "full", "ringbuf", "output-1cpu"),
    "pb output": Of(quantities.ns_per_refusal, "full", "perfbuf", "1cpu"),
}
_RESERVE, _OUTPUT, _PERF = _REFUSALS.values()


def _by_producers(evidence: Evidence, one: Of) -> dict[int, ArmSamples]:
    """Return arms by number of writing CPUs, ascending; NotMeasured with fewer than two."""
    found = {
        int(match[1]): arm
        for arm in evidence.arms(one.experiment, one.transport)
        if (match := re.fullmatch(r"(\d+)(?:cpu)?", arm.name.variant))
    }
    if len(found) < 2:
        raise NotMeasured(one.experiment)
    return dict(sorted(found.items()))


class ByProducers(Of):
    """Take a number where one CPU writes (variant "one"), or the most of them ("all")."""

    def arm(self, evidence: Evidence) -> ArmSamples:
        """Return the arm; NotMeasured with fewer than two counts of CPUs."""
        return list(_by_producers(evidence, self).values())[0 if self.variant == "one" else -1]


_WRITES, _REFUSED = (
    tuple(
        ByProducers(take, name, transport, end)
        for transport in ("ringbuf", "perfbuf")
        for end in ("all", "one")
    )
    for take, name in (
        (quantities.ns_per_success, "producers"),
        (quantities.ns_per_refusal, "full"),
    )
)
_GROWTH: Final = over("growth from one CPU to all, rb over pb", *_WRITES)
_REFUSED_GROWTH: Final = over("the same growth, rb over pb", *_REFUSED)


def _curves(parts: Sequence[Of], growths: ContrastOf | None = None) -> Detail:
    """Return both curves by writing CPUs, such that they agree with the paired growths from one.

    The last of perf's points agrees with ``growths``, rb's over pb's.
    """

    def curve(evidence: Evidence, one: Of) -> list[float]:
        arms = _by_producers(evidence, one).values()
        return [sides(series(one.experiment, arm, one.take), one(evidence))[0] for arm in arms]

    def lines(evidence: Evidence) -> Iterator[str]:
        ring, perf = (curve(evidence, one) for one in parts[1::2])
        if growths is not None:
            perf[-1] = perf[0] * (ring[-1] / ring[0]) / growths(evidence).estimate.point
        for words, points, one in (("rb", ring, parts[1]), ("pb", perf, parts[3])):
            counts = _by_producers(evidence, one)
            text = (f"{time(ns)} at {count}" for count, ns in zip(counts, points, strict=True))
            yield f"{words}, by CPUs that write: {', '.join(text)}"

    return lines


def _delivered(evidence: Evidence) -> Iterator[str]:
    """Yield the rate that reaches a reader: it need not fall as writes cost more.

    A second producer finds the ring empty less often, and so wakes the reader less.
    """
    rate = partial(Of, number("drained_per_s"), "rate-default", "ringbuf")
    every, one = map(millions, sides(rate()(evidence), rate("1cpu")(evidence)))
    yield f"delivered on rb to a reader on epoll: {one} from one CPU, {every} from all"


_wake = partial(Of, quantities.steady_ns, "wake")
_WOKEN: Final = {
    "rb output, adaptive": _wake("ringbuf", "output-adaptive-epoll"),
    "rb output, forced": _wake("ringbuf", "output-forced-epoll"),
    "pb, every record": _wake("perfbuf", "adaptive-epoll"),
}
_THEN: Final = "the published run installed no perf readers, so its pb calls failed at once"
_NS: Final = form("{}: {} a record", time)

_BESIDE: Final = {
    f"{words}, {reader}": _duet(f"beside-{reader}", way, way, "busy-poll", reader)
    for words, way in WAYS.items()
    for reader in _READERS
}
_TAX: Final = over("cost of busy polling to the producer, rb over pb", *_BESIDE.values())


def _since(evidence: Evidence) -> Finding:
    kernels = evidence.kernels
    if len(kernels) < 2:
        raise NotApplicable("one kernel only: needs the journals of a kernel matrix")
    versions = {
        release: (int(match[1]), int(match[2]))
        if (match := re.match(r"(\d+)\.(\d+)", release))
        else (0, 0)
        for release in kernels
    }
    wrong = [each for each, ran in kernels.items() if ran != (versions[each] >= _FIRST)]
    ran = [release for release in kernels if kernels[release]]
    oldest = min(versions.values())
    age = f"the oldest kernel is {oldest[0]}.{oldest[1]}"
    said = first(
        (wrong, REFUTED, f"otherwise on {', '.join(wrong)}"),
        (oldest > _NEAR, INCONCLUSIVE, f"{age}: take one of 5.x into the matrix"),
        (True, REPRODUCED, f"on all of {counted(len(kernels), 'kernel')} as published; {age}"),
    )
    what = f"ring buffer ran on {', '.join(ran) or 'none'}"
    measured = Measured.exactly(what, len(ran), bound=len(kernels))
    return Finding(*said, measured=measured, blocks=len(kernels), further_blocks=1)


CLAIMS: Final = (
    Side.RING.timed(
        id="reserve-beats-output",
        statement="reserve/submit is cheaper than output with its copy",
        sources="TUT, BENCH",
        published="22.82 against 18.91 M/s",
        test="amplified duets by process; kernel ns per record, record sizes swept",
        reproduced_when="ns per record lower for reserve, in the mean over sizes",
        experiments=tuple(f"{_CALLS}{size}" for size in _EXITS),
        rule=mean_above("kernel ns a record, output over reserve, mean over sizes", _by_size),
        cpus=2,
    ),
    Side.RING.timed(
        id="rb-no-wasted-work",
        statement="a full ring refuses before the record is built",
        sources="TUT, BLOG",
        test="stalled consumer",
        reproduced_when="ns per failed run lower for reserve than for both output calls",
        experiments=("full",),
        rule=above(
            over("ns a refused write, rb output over reserve", _OUTPUT, _RESERVE),
            over("ns a refused write, pb output over rb reserve", _PERF, _RESERVE),
            details=(levels(form("{}: {} a refused write", time), _REFUSALS, _RESERVE),),
        ),
    ),
    Side.PERF.timed(
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
    Side.PERF.timed(
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
    Side.PERF.timed(
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
    Side.PERF.timed(
        id="rb-output-slower",
        statement="a ring output call costs more than a perf one",
        sources="cilium/pwru#195, jschwinger233/bpf_k2u_benchmark",
        published="81 ms pb, 198 ms rb unwoken, 1,821 ms rb forced, for 10 M calls",
        test="duets by process with live readers, successes only",
        reproduced_when="ns per successful run higher on rb. The published run installed no perf "
        "readers, so its pb calls failed at once: say so",
        experiments=("wake-output",),
        rule=above(
            over(
                "kernel ns a record without wake-ups, rb output over pb output",
                _duet("wake-output", RINGBUF, "output", "wake", "output-none-epoll"),
                _duet("wake-output", PERFBUF, "perf", "wake", "none-epoll"),
            ),
            details=(levels(_NS, _WOKEN), lambda _: [_THEN]),
        ),
        cpus=2,
    ),
    Side.PERF.timed(
        id="busy-poll-taxes-rb",
        statement="a busy-polling consumer slows the ring's producers more than the perf buffer's",
        sources="seen here, not published",
        test="duets by process; kernel ns per record, consumer busy polling against asleep",
        reproduced_when="ratio on rb above the ratio on pb",
        experiments=tuple(f"beside-{reader}" for reader in _READERS),
        rule=above(_TAX, details=[grown(_NS, _BESIDE, _TAX, paired=2)]),
        cpus=2,
    ),
    Side.RING.counted(
        id="rb-since-5.8",
        statement="available from Linux 5.8",
        sources="TUT",
        test="kernel matrix",
        reproduced_when="loads from 5.8 on; below, a clear refusal; not applicable outside a "
        "kernel matrix",
        experiments=(),
        rule=_since,
        over_kernels=True,
    ),
)
