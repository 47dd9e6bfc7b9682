# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Wake-ups: what they cost, when they are raised, and whether one is ever missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.plan.budgets import MIB
from bench.plan.config import Call, Consumer, Poll, Producer, TrialConfig, Wake
from bench.plan.experiments import Arm, Experiment
from bench.questions.claims.plan.setting import (
    BLOCKS,
    MORE_BLOCKS,
    STOPPED,
    Setting,
    experiment,
    power_of_two,
)
from bench.questions.transports.profiles import EPOLL, PERFBUF, RINGBUF, TRANSPORTS
from workloads.storm import Shape, Spawn, Storm

BURSTS: Final = 10_000
"""Small bursts over all blocks, after none of which the last record may be left unannounced."""


def _policies(on: Setting) -> tuple[Experiment, ...]:
    """What wake-ups cost and when they are raised."""
    waits = {
        "stopped": STOPPED,
        "epoll": EPOLL,
        "timed": Consumer(poll=Poll.TIMED, interval_ms=5.0),
    }
    config = replace(on.amplified(75 * on.workers, 200), kernel_stats=True)
    budget_bytes = on.holding(config) * min(4, power_of_two(on.count))

    def woken(transport: str, variant: str, wake: Wake, **changes: object) -> Arm:
        call = changes.pop("call", Call.RESERVE)
        producer = replace(config.producer, wake=wake, call=call)  # type: ignore[arg-type]
        return on.arm(
            transport,
            budget_bytes,
            variant,
            replace(config, producer=producer, **changes),  # type: ignore[arg-type]
        )

    policies = (Wake.NONE, Wake.ADAPTIVE, Wake.FORCED)
    loads = {1: 4_000, 10: 400, 100: 40}
    return (
        experiment(
            "wake",
            "What does a record cost the kernel under each wake-up policy?",
            (
                *(
                    woken(RINGBUF, f"{wake}-{name}", wake, consumer=consumer)
                    for wake in policies
                    for name, consumer in waits.items()
                ),
                *(
                    woken(RINGBUF, f"output-{wake}-epoll", wake, call=Call.OUTPUT)
                    for wake in policies
                ),
                woken(PERFBUF, "none-epoll", Wake.NONE),
                woken(PERFBUF, "adaptive-epoll", Wake.ADAPTIVE),
            ),
            blocks=MORE_BLOCKS,
        ),
        experiment(
            "backlog",
            "How many wake-ups does a record raise as records come closer together?",
            (
                on.arm(transport, MIB, f"{records}x", on.amplified(exits, records))
                for records, exits in loads.items()
                for transport in TRANSPORTS
            ),
        ),
    )


_BURST_RECORDS: Final = 50
"""Of each exit, so that a burst overruns the smaller buffers whatever the scheduler does."""


def _bursts(on: Setting) -> tuple[Experiment, ...]:
    """Forced wake-ups in bursts, and the last record of very many small ones."""
    several = Storm(
        shape=Shape.BURST, workers=1, spawn=Spawn.FORK, burst_size=150, count=300, pause_ms=2.0
    )
    small = replace(several, burst_size=2, pause_ms=1.0, count=2 * BURSTS // BLOCKS)
    # Whether the reader finds a CPU to itself decides what is lost, so that is not left to chance.
    apart = replace(several, cpus=(on.first,))
    elsewhere = replace(EPOLL, cpu=on.last)
    diagnosed = replace(EPOLL, late_ms=small.pause_ms)
    policies = (Wake.ADAPTIVE, Wake.FORCED)

    def bursting(
        storm: Storm, budget_bytes: int, wake: Wake, consumer: Consumer, records: int = 1
    ) -> Arm:
        config = TrialConfig(
            transport="",
            budget_bytes=0,
            storm=storm,
            producer=Producer(wake=wake, records_per_exit=records),
            consumer=consumer,
        )
        return on.arm(RINGBUF, budget_bytes, wake.value, config)

    return (
        experiment(
            "burst-forced",
            "Do forced wake-ups lose less in a burst, or more?",
            (
                bursting(apart, budget_bytes, wake, elsewhere, _BURST_RECORDS)
                for budget_bytes in (2 * on.page_bytes, 16 * on.page_bytes)
                for wake in policies
            ),
            twins=(0, len(policies)),  # losses at the one differ far more than at the other
            blocks=MORE_BLOCKS,
        ),
        experiment(
            "last-record",
            "Is the last record of a small burst ever left without a wake-up?",
            (bursting(small, 16 * on.page_bytes, wake, diagnosed) for wake in policies),
            twins=(),
        ),
    )


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """All of this family."""
    return (*_policies(on), *_bursts(on))
