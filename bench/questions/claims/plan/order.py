# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Order: related events on two CPUs, and what drains between them do."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.plan.budgets import MIB
from bench.plan.config import Consumer, Poll, TrialConfig
from bench.plan.experiments import Experiment
from bench.questions.claims.plan.setting import Setting, experiment
from bench.questions.transports.profiles import PERFBUF, RINGBUF, storms
from workloads.storm import Shape

_DRAINED_MS: Final = ((RINGBUF, 5), (PERFBUF, 1), (PERFBUF, 20))  # perf at 5 ms: "chain"
_PAIRED: Final = 2_060
"""Processes that make 1,030 causal pairs."""


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Pairs on alternating CPUs, drained more and less often; none on a machine with one CPU."""
    if on.count < 2:
        return ()
    storm = replace(storms(on.count)[Shape.PINGPONG], count=_PAIRED)
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
            for transport, interval_ms in _DRAINED_MS
        ),
        twins=(),
    )
    return (found,)
