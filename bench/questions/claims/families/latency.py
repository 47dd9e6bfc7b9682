# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about latency."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.amounts import time, times
from bench.judge.floor import LEAST_MARGIN
from bench.plan.budgets import MIB
from bench.plan.config import Producer, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import WAYS, Of, both, form, grown, levels, over
from bench.questions.claims.planner import MORE_BLOCKS, Planner, titled, trial
from bench.questions.claims.rules import above, inside
from bench.questions.transports.profiles import BUSY, EPOLL, PERFBUF, storms
from workloads.storm import Shape, Storm

_titled = titled(
    {
        "slow-producer": "Does a record that is not yet committed hold back those of other CPUs?",
        "waiting": "Which way of waiting delivers soonest below capacity?",
        "sampling": "How long do sampled wake-ups of the perf buffer delay events?",
    }
)


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return how soon records arrive: behind one not yet committed, by waiting, by sampling."""
    slow = trial(Storm(shape=Shape.UNEVEN, rate_per_s=1_000.0, count=700, seconds=2.0))
    delayed = replace(slow, producer=Producer(delay_ns=200_000, delay_cpu=on.cpus[0]))
    trickle = replace(storms(on.count)[Shape.TRICKLE], count=400)
    steady = on.steady(2_000.0, 1_200)
    elsewhere = replace(EPOLL, cpu=on.cpus[-1])  # else it waits for the storm to leave the CPU
    ways = {"epoll": trial(trickle, EPOLL), "busy": trial(trickle, BUSY)}
    sampling = (
        on.arm(
            PERFBUF,
            MIB,
            f"every{every}",
            trial(steady, elsewhere, Producer(wake=Wake.WATERMARK, watermark=every)),
        )
        for every in (100, 400)  # 50 and 200 ms: a late scheduler adds little
    )
    return (
        _titled(
            "slow-producer", on.each(MIB, {"prompt": slow, "delayed": delayed}), blocks=MORE_BLOCKS
        ),
        _titled("waiting", on.each(MIB, ways), twins=()),
        _titled("sampling", sampling, twins=()),
    )


_time: Final = form("{}: {}", time)
_WAITS: Final = {
    words: [Of(quantities.latency_p50_ns, "waiting", transport, way) for way in ("epoll", "busy")]
    for words, transport in WAYS.items()
}
_SAMPLED: Final = {
    every: Of(quantities.waited_share, "sampling", "perfbuf", every)
    for every in ("every100", "every400")
}
_SLOW: Final = both(quantities.quiet_latency_p50_ns, "slow-producer", "delayed", "prompt")
_RISES_MORE: Final = over("the same, rb over pb", *_SLOW.values())
_P50: Final = {f"{words}, p50": part for words, part in _SLOW.items()}
_P99: Final = {
    f"{words}, p99": part.taking(quantities.quiet_latency_p99_ns) for words, part in _SLOW.items()
}


CLAIMS: Final = (
    Side.RING.timed(
        id="rb-epoll-and-busy",
        statement="epoll and busy polling both work, the latter with the least latency",
        sources="TUT",
        test="trickle under both",
        reproduced_when="busy p50 < epoll p50 on both transports",
        experiments=("waiting",),
        rule=above(
            *(
                over(f"p50 on {words}, epoll over busy", *parts, margin=LEAST_MARGIN)
                for words, parts in _WAITS.items()
            ),
            details=[
                levels(
                    _time,
                    {f"{words} on epoll, p50": epoll, f"{words} polled busily, p50": busy},
                    busy,
                )
                for words, (epoll, busy) in _WAITS.items()
            ],
        ),
        comparative=False,
    ),
    Side.RING.timed(
        id="pb-sampling-cost",
        statement="sampled pb wake-ups delay up to N-1 events",
        sources="BENCH, BLOG",
        test="trickle, wakeup_events N",
        reproduced_when="p99 is 0.5 to 2 times N x inter-arrival time",
        experiments=("sampling",),
        rule=inside(
            "p99 latency over N x inter-arrival time",
            lambda evidence: [part(evidence) for part in _SAMPLED.values()],
            low=0.5,
            high=2.0,
            bound=1.0,
            details=(levels(form("{}: {}", times), _SAMPLED),),
        ),
        comparative=False,
    ),
    Side.PERF.timed(
        id="rb-slow-producer",
        statement="a record not yet committed holds back later ones",
        sources="DOC",
        test="a delay between reserve and submit on one CPU",
        reproduced_when="latency rises for other CPUs on rb, and by more than on pb",
        experiments=("slow-producer",),
        rule=above(
            over("other CPUs' latency on rb, delayed over prompt", *list(_SLOW.values())[:2]),
            _RISES_MORE,
            details=(grown(_time, _P50, _RISES_MORE, paired=0), levels(_time, _P99)),
        ),
        cpus=2,
    ),
)
