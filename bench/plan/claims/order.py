# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Order: related events on two CPUs, and what drains between them do."""

from __future__ import annotations

from dataclasses import replace

from bench.plan.budgets import MIB
from bench.plan.claims.setting import Setting, experiment
from bench.plan.config import Consumer, Poll, TrialConfig
from bench.plan.experiments import Experiment
from bench.plan.profiles import LEAST_PAIRED, TRANSPORTS, storms
from workloads.storm import Shape


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Pairs on alternating CPUs, drained every 1, 5 and 20 ms; none on a machine with one CPU."""
    if on.cpus < 2:
        return ()
    storm = replace(storms(on.cpus)[Shape.PINGPONG], count=LEAST_PAIRED)
    found = experiment(
        "drain-interval",
        "How late does the longer of two drain intervals make related events?",
        (
            on.arm(
                transport,
                MIB,
                f"{interval_ms}ms",
                TrialConfig(
                    transport="",
                    budget_bytes=0,
                    storm=storm,
                    consumer=Consumer(poll=Poll.TIMED, interval_ms=interval_ms),
                ),
            )
            for interval_ms in (1, 5, 20)
            for transport in TRANSPORTS
        ),
        twin=None,
    )
    return (found,)
