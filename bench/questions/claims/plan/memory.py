# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Memory: the least budget that loses nothing."""

from __future__ import annotations

from dataclasses import replace

from bench.plan.budgets import KIB
from bench.plan.config import Consumer, Poll, TrialConfig
from bench.plan.experiments import Experiment
from bench.questions.claims.plan.setting import Setting, experiment, power_of_two
from bench.questions.transports.profiles import LADDER_STORMS, TRANSPORTS, storms
from workloads.storm import Shape


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """The least budget that loses nothing between drains, spread over CPUs and on one."""
    drained = Consumer(poll=Poll.TIMED, interval_ms=10.0)
    known = storms(on.count)
    spread = replace(known[Shape.STORM], count=600 * on.workers)
    kinds = {"memory-spread": spread, "memory-onecpu": replace(known[Shape.HOTCPU], count=600)}
    if on.count >= 4:
        half = on.count // 2
        kinds["memory-half"] = replace(spread, workers=half, count=600 * half, cpus=on.cpus[:half])
    top_bytes = max(128 * KIB, 32 * on.page_bytes) * power_of_two(on.workers) // 2
    least_bytes = 2 * on.page_bytes
    rungs = [least_bytes << power for power in range(20) if least_bytes << power <= top_bytes]
    return tuple(
        experiment(
            name,
            "What is the least budget that loses nothing, drained every 10 ms?",
            (
                on.arm(
                    transport,
                    rung,
                    "",
                    TrialConfig(transport="", budget_bytes=0, storm=storm, consumer=drained),
                )
                for rung in rungs
                for transport in TRANSPORTS
            ),
            twins=(),
            blocks=LADDER_STORMS,
        )
        for name, storm in kinds.items()
    )
