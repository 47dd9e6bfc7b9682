# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about when a consumer is woken: by count, by bytes or by a timer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from bench.amounts import bound, digits, seconds, share
from bench.judge.statistics import Scale
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import MIB
from bench.plan.config import Consumer, Poll, Producer, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Side
from bench.questions.claims.compare import Of, alone, both, form, less, levels
from bench.questions.claims.contrast import NEARLY_NONE
from bench.questions.claims.planner import (
    MOST_BLOCKS,
    Planner,
    power_of_two,
    sending,
    titled,
    trial,
)
from bench.questions.transports.profiles import EPOLL, PERFBUF, RINGBUF, storms
from bench.record.layout import RECORD_BYTES
from bench.tracer.transports import traits
from workloads.storm import Shape

_EVERY: Final = 32  # as published
_WATERMARK_BYTES: Final = 3_000  # as published
_LATEST_MS: Final = 100.0  # longest wait of a record for its reader, woken by a timer or flushed

_titled = titled(
    {
        "equal-n": "How many wake-ups does each buffer raise at the same count of records?",
        "wake-bytes": "Does a watermark in bytes save the ring's consumer CPU time?",
        "on-a-timer": "Does a reader that only a timer wakes lose what one on epoll does not?",
    }
)


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return both buffers woken at one count, a ring woken by bytes, reading on a timer."""
    record_bytes = RECORD_BYTES + traits(RINGBUF).header_bytes
    many = on.amplified(800, 100)
    by_bytes = sending(many, wake=Wake.BYTES, watermark=_EVERY * record_bytes)
    by_count = sending(many, wake=Wake.WATERMARK, watermark=_EVERY)
    counted = (
        on.arm(way, MIB, f"every{_EVERY}", config)
        for way, config in ((RINGBUF, by_bytes), (PERFBUF, by_count))
    )
    known = storms(on.count)
    trickle = replace(known[Shape.TRICKLE], count=300)
    policies = {"each": Producer(), "bytes": Producer(wake=Wake.BYTES, watermark=_WATERMARK_BYTES)}
    saving = {words: trial(trickle, EPOLL, producer) for words, producer in policies.items()}
    storm = replace(known[Shape.STORM], count=750 * on.workers)
    reading = {
        "polled": trial(
            storm, replace(EPOLL, flush_ms=_LATEST_MS), Producer(wake=Wake.WATERMARK, watermark=50)
        ),
        "timed": trial(
            storm, Consumer(poll=Poll.TIMED, interval_ms=_LATEST_MS), Producer(wake=Wake.NONE)
        ),
    }
    of_each_cpu_bytes = 8 * PAGE_BYTES * power_of_two(on.count)
    return (
        _titled("equal-n", counted, blocks=MOST_BLOCKS),
        _titled("wake-bytes", on.each(MIB, saving, (RINGBUF,))),
        _titled("on-a-timer", on.each(of_each_cpu_bytes, reading, (PERFBUF,))),
    )


_saving = partial(Of, quantities.cpu_s_per_million, "wake-bytes", RINGBUF)
_lost = partial(Of, quantities.dropped_share, "on-a-timer", PERFBUF)
_POLLED, _TIMED = _lost("polled"), _lost("timed")

CLAIMS: Final = (
    Side.PERF.claim(
        id="equal-n-wakes-more",
        statement="the same wake-up count N wakes a ring more often than perf buffers, which "
        "have N for each CPU",
        sources="DataDog/datadog-agent#39774",
        published="in the worst case every 32 events against 2,048 on 64 CPUs",
        test="amplified on all CPUs; rb woken from 32 unread records on, pb at every 32nd of a "
        "CPU; wake-ups raised per event",
        reproduced_when="more raised per event on rb",
        experiments=("equal-n",),
        rule=rules.exceeds(
            "wake-ups raised per event, rb over pb",
            form("{}: {} raised per event", digits),
            both(quantities.raised_per_event, "equal-n", f"every{_EVERY}"),
        ),
        cpus=2,
    ),
    Side.RING.timed(
        id="wake-bytes-saves-cpu",
        statement="waking from a number of unread bytes on, not at every event, saves the "
        "consumer CPU time",
        sources="DataDog/datadog-agent#41005",
        published="8.9 % of a CPU where every event wakes; from 3,000 bytes on less, and hardly "
        "less from more",
        test="trickle; CPU seconds per million events, adaptive over woken from 3,000 bytes on",
        reproduced_when="ratio > 1",
        experiments=("wake-bytes",),
        rule=rules.exceeds(
            "consumer's CPU time a record, adaptive over from 3,000 bytes on",
            form("{}: {} per million", seconds),
            {"adaptive": _saving("each"), "by bytes": _saving("bytes")},
        ),
    ),
    Side.EITHER.claim(
        id="timer-loses-bursts",
        statement="a reader that only a timer wakes loses messages where many come at once, which "
        "one that polls with a timeout does not",
        sources="libbpf/libbpf#438",
        test="storm into perf buffers of 8 pages: woken at every 50th and flushed after 100 ms, "
        "against read every 100 ms",
        reproduced_when="more is lost on the timer, and at most 1 % by polling",
        experiments=("on-a-timer",),
        rule=rules.held(
            rules.above(
                less("share dropped on pb, on a timer less polled", _TIMED, _POLLED),
                details=[
                    levels(
                        form("{}: {} lost", share),
                        {"on a timer": _TIMED, "polled": _POLLED},
                        _POLLED,
                        Scale.DIFFERENCE,
                    )
                ],
            ),
            alone("share dropped on pb, polled", _POLLED),
            words=f"by polling at most {bound(NEARLY_NONE)} is lost",
        ),
    ),
)
