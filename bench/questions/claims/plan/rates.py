# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Rates: millions of records a second, over all CPUs and over one."""

from __future__ import annotations

from dataclasses import replace

from bench.plan.budgets import KIB, MIB
from bench.plan.config import Consumer, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims.plan.setting import (
    MORE_BLOCKS,
    RECORD_AND_HEADER_BYTES,
    SHARDED,
    Setting,
    by_libbcc,
    experiment,
    power_of_two,
)
from bench.questions.transports.profiles import EPOLL, PERFBUF, RINGBUF, TRANSPORTS


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Millions of records a second."""
    default = on.amplified(20 * on.workers, 1_000)
    from_one = on.on_cpus(on.amplified(20 * on.workers, 1_000), 1)
    # One writes and another reads, each on its own CPU as in the kernel's own benchmark: what is
    # left to the scheduler differs more from trial to trial than the transports do.
    batched = replace(on.on_cpus(on.amplified(200, 1_000), 1), consumer=Consumer(cpu=on.last))
    sampled = replace(batched, producer=replace(batched.producer, wake=Wake.WATERMARK))
    sampled = replace(sampled, producer=replace(sampled.producer, watermark=500))
    # Few, since the perf buffer is so much slower here; a time limit would make loads unequal.
    one_cpu = replace(on.on_cpus(on.amplified(100, 1_000), 1), consumer=Consumer(cpu=on.first))
    # A ring for as many records as in the published run, whose records took 16 bytes of 512 KiB.
    published_records = 512 * KIB // 16
    one_cpu_bytes = power_of_two(published_records * RECORD_AND_HEADER_BYTES)
    roomy_bytes = on.holding(default) * min(2, power_of_two(on.count))
    return (
        experiment(
            "rate-default",
            "Which delivers more events a second at default wake-ups?",
            (
                *(
                    on.arm(transport, roomy_bytes, "", default)
                    for transport in (*TRANSPORTS, SHARDED)
                ),
                on.arm(RINGBUF, roomy_bytes, "1cpu", from_one),
                *(
                    on.arm(
                        transport,
                        roomy_bytes,
                        "libbcc",
                        replace(default, consumer=by_libbcc(EPOLL)),
                    )
                    for transport in TRANSPORTS
                ),
            ),
        ),
        experiment(
            "rate-sampled",
            "Which delivers more events a second if the perf buffer wakes at every 500th?",
            (
                on.arm(RINGBUF, MIB, "", batched),
                on.arm(PERFBUF, MIB, "every500", sampled),
                on.arm(RINGBUF, MIB, "every500", sampled),
            ),
            twins=(2,),
            blocks=MORE_BLOCKS,
        ),
        experiment(
            "same-cpu",
            "What if producer and consumer share one CPU?",
            (on.arm(transport, one_cpu_bytes, "", one_cpu) for transport in TRANSPORTS),
        ),
        experiment(
            "consumer-cost",
            "Does a consumer that does more work get more, because it is woken less?",
            (
                on.arm(
                    RINGBUF,
                    MIB,
                    f"{cost_ns}ns",
                    replace(
                        batched,
                        consumer=Consumer(cost_ns=cost_ns, cpu=on.last),
                    ),
                )
                for cost_ns in (0, 100, 300, 1_000)
            ),
            blocks=MORE_BLOCKS,
        ),
    )
