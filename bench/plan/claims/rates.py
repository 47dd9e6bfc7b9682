# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Rates: millions of records a second, over all CPUs and over one."""

from __future__ import annotations

from dataclasses import replace

from bench.plan.budgets import KIB, MIB
from bench.plan.claims.setting import (
    MORE_BLOCKS,
    PERFBUF,
    RINGBUF,
    SHARDED,
    Setting,
    by_libbcc,
    experiment,
    power_of_two,
)
from bench.plan.config import Consumer, Wake
from bench.plan.experiments import Experiment
from bench.plan.profiles import EPOLL, TRANSPORTS


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Millions of records a second."""
    default = on.amplified(20 * on.workers, 1_000)
    batched = on.amplified(250 * on.workers, 1_000)
    sampled = replace(batched, producer=replace(batched.producer, wake=Wake.WATERMARK))
    sampled = replace(sampled, producer=replace(sampled.producer, watermark=500))
    # By time, not by count: the perf buffer is so much slower here.
    one_cpu = replace(on.on_cpus(on.amplified(400, 1_000), 1), consumer=Consumer(cpu=0))
    one_cpu = replace(one_cpu, storm=replace(one_cpu.storm, workers=4, seconds=0.25))
    roomy_bytes = on.holding(default) * min(2, power_of_two(on.cpus))
    return (
        experiment(
            "rate-default",
            "Which delivers more events a second at default wake-ups?",
            (
                *(
                    on.arm(transport, roomy_bytes, "", default)
                    for transport in (*TRANSPORTS, SHARDED)
                ),
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
                on.arm(SHARDED, MIB, "", batched),
                on.arm(PERFBUF, MIB, "every500", sampled),
                on.arm(RINGBUF, MIB, "every500", sampled),
            ),
            blocks=MORE_BLOCKS,
        ),
        experiment(
            "same-cpu",
            "What if producer and consumer share one CPU?",
            (on.arm(transport, 512 * KIB, "", one_cpu) for transport in TRANSPORTS),
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
                        on.amplified(300 * on.workers, 500),
                        consumer=Consumer(cost_ns=cost_ns),
                    ),
                )
                for cost_ns in (0, 100, 300, 1_000)
            ),
        ),
    )
