# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What one CPU does to another."""

from __future__ import annotations

from dataclasses import replace

from bench.plan.budgets import MIB
from bench.plan.config import Consumer, Poll, Producer, TrialConfig, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims.plan.setting import MORE_BLOCKS, STOPPED, Setting, experiment
from bench.questions.transports.profiles import BUSY, TRANSPORTS
from workloads.storm import Shape, Storm


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """What one CPU does to another; nothing on a machine with a single one."""
    if on.count < 2:
        return ()
    at_once = max(50, min(1_000, 8_000 // on.count))
    alone = on.on_cpus(on.amplified(240, at_once, wake=Wake.NONE), 1)
    asleep = replace(alone, consumer=replace(STOPPED, cpu=on.last), kernel_stats=True)
    busy = replace(alone, consumer=replace(BUSY, cpu=on.last), kernel_stats=True)
    uneven = Storm(shape=Shape.UNEVEN, rate_per_s=200.0, count=2_000, seconds=2.0)
    noisy = TrialConfig(
        transport="",
        budget_bytes=0,
        storm=uneven,
        producer=Producer(records_per_exit=20),
        consumer=Consumer(poll=Poll.TIMED, interval_ms=20.0),
    )
    slow_storm = replace(uneven, rate_per_s=1_000.0, count=700)
    slow = TrialConfig(transport="", budget_bytes=0, storm=slow_storm)
    delayed = replace(slow, producer=Producer(delay_ns=200_000, delay_cpu=on.first))
    return (
        experiment(
            "busy-poll",
            "Does a consumer that polls busily make records dearer for the producer?",
            (
                on.arm(transport, on.holding_on_each(alone), name, config)
                for transport in TRANSPORTS
                for name, config in (("asleep", asleep), ("busy", busy))
            ),
            blocks=MORE_BLOCKS,
        ),
        experiment(
            "noisy-cpu",
            "Does one hot CPU take the room of a quiet one?",
            (on.arm(transport, 16 * on.page_bytes, "", noisy) for transport in TRANSPORTS),
        ),
        experiment(
            "slow-producer",
            "Does a record that is not yet committed hold back those of other CPUs?",
            (
                on.arm(transport, MIB, name, config)
                for transport in TRANSPORTS
                for name, config in (("prompt", slow), ("delayed", delayed))
            ),
            blocks=MORE_BLOCKS,
        ),
    )
