# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Estimate what other CPUs need, by storms whose backlog is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from made_up_trials import trial

from bench.plan.budgets import KIB, label
from bench.plan.config import Producer
from bench.questions.sizing.judge import Sizing, sizing
from bench.questions.sizing.scaling import STORMS, scaled
from bench.trial.result import TrialResult

RUNGS = tuple((4 * KIB) << power for power in range(8))
BACKLOG = 750  # records of 72 bytes, 80 in a ring and 88 in perf buffers
STORED = {"ringbuf": 80, "perfbuf": 88}


def storms(transport: str, budget_bytes: int, count: int = 24) -> Iterator[TrialResult]:
    lost = max(0, BACKLOG - budget_bytes // STORED[transport])
    for block in range(count):
        yield trial(f"{transport}@{label(budget_bytes)}", block, dropped=lost, attempted=10_000)


def sizings(trials: list[TrialResult]) -> list[Sizing]:
    return [
        sizing(transport, trials, RUNGS, tolerated=0.0, margin=2.0)
        for transport in ("ringbuf", "perfbuf")
    ]


def test_a_ring_needs_the_same_and_buffers_of_each_cpu_more() -> None:
    trials = [
        each for way in ("ringbuf", "perfbuf") for rung in RUNGS for each in storms(way, rung)
    ]
    found = scaled(sizings(trials), trials, Producer(), here=2, there=64)
    assert found is not None
    assert found.backlog_records == pytest.approx(BACKLOG, abs=1)
    assert found.minimum_bytes["ringbuf"] == 64 * KIB  # 750 x 80 bytes: as on two CPUs
    # 12 records on average, some 25 on the fullest of 64: a page each is enough.
    assert found.minimum_bytes["perfbuf"] == 64 * 4 * KIB


def test_shares_of_64_cpus_are_within_what_the_model_gives_them() -> None:
    """Throw the backlog at random onto the CPUs: 95 % of the throws fit."""
    random = np.random.default_rng(1)
    fullest = random.multinomial(BACKLOG, [1 / 64] * 64, size=2_000).max(axis=1)
    assert np.quantile(fullest, 0.95) * STORED["perfbuf"] <= 4 * KIB


def test_too_few_storms_that_lost_say_nothing() -> None:
    trials = [*storms("ringbuf", 4 * KIB, STORMS - 1), *storms("ringbuf", 64 * KIB)]
    assert scaled(sizings(trials), trials, Producer(), here=2, there=64) is None
