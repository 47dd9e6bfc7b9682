# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Kernel ns per record: by call, by record size, by producers, by room."""

from __future__ import annotations

from dataclasses import replace

from bench.plan.config import Call, Wake
from bench.plan.experiments import Experiment
from bench.questions.claims.plan.setting import (
    MORE_BLOCKS,
    MOST_BLOCKS,
    STOPPED,
    Setting,
    experiment,
)
from bench.questions.transports.profiles import PERFBUF, RINGBUF, TRANSPORTS


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Kernel ns per record, by call, by record size, by producers, by room."""
    quiet = replace(on.amplified(200, 100, wake=Wake.NONE), consumer=STOPPED, kernel_stats=True)
    sizes = {
        size: replace(
            quiet,
            storm=replace(quiet.storm, count=exits),
            producer=replace(quiet.producer, payload_bytes=size),
        )
        for size, exits in ((0, 400), (256, 400), (1_024, 200), (4_096, 60))
    }
    # All records of all CPUs fit into the buffer of each, so that with many CPUs they are fewer.
    at_once = max(50, min(1_000, 8_000 // on.count))
    held = replace(on.amplified(240, at_once), consumer=STOPPED, kernel_stats=True)
    perf_held = replace(held, producer=replace(held.producer, wake=Wake.WATERMARK, watermark=50))
    refused = replace(on.amplified(400, 1_000, wake=Wake.NONE), consumer=STOPPED)
    refused = replace(refused, kernel_stats=True)
    output = replace(refused, producer=replace(refused.producer, call=Call.OUTPUT))
    least_bytes = 16 * on.page_bytes
    return (
        experiment(
            "reserve-output",
            "Is reserve and submit cheaper than the output call, equally seldom woken?",
            (
                on.arm(
                    RINGBUF,
                    on.holding(config),
                    f"{call}-{size}",
                    replace(config, producer=replace(config.producer, call=call)),
                )
                for size, config in sizes.items()
                for call in Call
            ),
            blocks=MOST_BLOCKS,
        ),
        experiment(
            "producers",
            "What does a successful write cost as more CPUs write?",
            (
                on.arm(
                    transport,
                    on.holding_on_each(held),
                    f"{count}cpu",
                    on.on_cpus(config, count),
                )
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
                    on.arm(transport, least_bytes, f"{count}cpu", on.on_cpus(refused, count))
                    for count in on.producers()
                    for transport in TRANSPORTS
                ),
                on.arm(RINGBUF, least_bytes, "output-1cpu", on.on_cpus(output, 1)),
            ),
            blocks=MORE_BLOCKS,
        ),
    )
