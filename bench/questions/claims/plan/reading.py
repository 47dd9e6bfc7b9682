# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Reading: how readers wait, what they are told, and whether records arrive whole."""

from __future__ import annotations

from dataclasses import replace

from bench.plan.budgets import MIB
from bench.plan.config import MIXED, Call, Consumer, Producer, Reader, TrialConfig, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims.plan.setting import Setting, by_libbcc, experiment
from bench.questions.transports.profiles import BUSY, EPOLL, PERFBUF, RINGBUF, TRANSPORTS, storms
from workloads.storm import Gap, Shape


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """How readers wait, what they are told, and whether records arrive whole."""
    trickle = replace(storms(on.count)[Shape.TRICKLE], count=400)
    steady = replace(trickle, rate_per_s=2_000.0, gap=Gap.FIXED, count=1_600, cpus=(on.first,))
    storm = TrialConfig(
        transport="",
        budget_bytes=0,
        storm=replace(storms(on.count)[Shape.STORM], count=750 * on.workers),
    )
    mixed = replace(
        storm,
        storm=replace(storm.storm, count=500),
        producer=Producer(records_per_exit=8, payload_bytes=MIXED),
    )
    counted = replace(BUSY, count_syscalls=True)
    elsewhere = replace(EPOLL, cpu=on.last)  # or it waits for the storm to leave the CPU
    stalled = Consumer(reader=Reader.LIBBCC, stall_after_ms=10.0, stall_ms=50.0)

    def waiting(consumer: Consumer, wake: Wake = Wake.ADAPTIVE, every: int = 1) -> TrialConfig:
        return TrialConfig(
            transport="",
            budget_bytes=0,
            storm=steady if wake is Wake.WATERMARK else trickle,
            producer=Producer(wake=wake, watermark=every),
            consumer=consumer,
        )

    return (
        experiment(
            "waiting",
            "Which way of waiting delivers soonest below capacity?",
            (
                on.arm(transport, MIB, name, waiting(consumer))
                for transport in TRANSPORTS
                for name, consumer in (
                    ("epoll", EPOLL),
                    ("busy", BUSY),
                    ("libbcc", by_libbcc(EPOLL)),
                )
            ),
            twins=(),
        ),
        experiment(
            "sampling",
            "How long do sampled wake-ups of the perf buffer delay events?",
            (
                on.arm(PERFBUF, MIB, f"every{every}", waiting(elsewhere, Wake.WATERMARK, every))
                for every in (100, 400)  # 50 and 200 ms: a late scheduler adds little
            ),
            twins=(),
        ),
        experiment(
            "readers",
            "How much of a difference is the reader's, not the transport's?",
            (
                on.arm(transport, MIB, name, replace(storm, consumer=consumer))
                for transport in TRANSPORTS
                for name, consumer in (("native", EPOLL), ("libbcc", by_libbcc(EPOLL)))
            ),
            twins=(),
        ),
        experiment(
            "migration",
            "Does the output call, which perf users know, record the same?",
            (
                on.arm(RINGBUF, MIB, call.value, replace(storm, producer=Producer(call=call)))
                for call in Call
            ),
            twins=(),
        ),
        experiment(
            "mixed-lengths",
            "Do records from 72 to 4,168 bytes arrive whole from one buffer?",
            (on.arm(transport, 8 * MIB, "", mixed) for transport in TRANSPORTS),
            twins=(),
        ),
        experiment(
            "system-calls",
            "How many system calls does a busily polling reader make for a record?",
            (
                on.arm(
                    transport,
                    MIB,
                    "busy",
                    replace(on.amplified(200, 100), consumer=counted),
                )
                for transport in TRANSPORTS
            ),
            twins=(),
        ),
        experiment(
            "told",
            "Is user space told of what was lost while it read nothing?",
            (
                on.arm(transport, 2 * on.page_bytes, "libbcc", replace(storm, consumer=stalled))
                for transport in TRANSPORTS
            ),
            twins=(),
        ),
    )
