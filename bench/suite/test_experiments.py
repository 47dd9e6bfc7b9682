# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One test per experiment and arm: rounds are blocks, a round's time is the storm's own."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest

from bench.judge.load import reduced, state_of
from bench.plan.experiments import Arm, Experiment
from bench.suite.plugin import Suite
from bench.trial.result import State, TrialResult


@pytest.fixture
def trials(suite: Suite, experiment: Experiment, arm: Arm) -> list[TrialResult]:
    """Return the arm's trials with full storms, before ``benchmark`` is made: it must be used."""
    every = [trial for trial in suite.run(experiment) if trial.arm == arm.name]
    cut = [trial for trial in every if state_of(trial) is State.REDUCED]
    if cut:
        suite.reduced.append(
            f"{experiment.name} {arm.name}: {len(cut)} of {len(every)} storms were reduced and are "
            f"no rounds (the first: {'; '.join(reduced(cut[0]))})"
        )
    if cut == every:
        suite.unmeasured.append(f"{experiment.name}-{arm.name}")
        pytest.skip(suite.reduced[-1])
    return [trial for trial in every if trial not in cut]


def test_arm(
    trials: list[TrialResult], suite: Suite, experiment: Experiment, benchmark: Any
) -> None:
    """Replay the arm's trials as rounds."""
    rounds = iter(trials)
    benchmark.extra_info["planned_trials"] = experiment.blocks
    benchmark.extra_info.update(extra_info(trials))
    benchmark.pedantic(
        lambda: suite.clock.advance(_length_ns(next(rounds))), rounds=len(trials), iterations=1
    )
    invalid = [trial.reasons for trial in trials if trial.state is State.INVALID]
    assert not invalid, f"trials that do not balance: {invalid}"


def _length_ns(trial: TrialResult) -> int:
    return trial.storm.end_ns - trial.storm.start_ns


def extra_info(trials: list[TrialResult]) -> dict[str, object]:
    """Return what JSON holds beside the times: sums and medians over the rounds."""
    info: dict[str, object] = {
        "transport": trials[0].config.transport,
        "budget_bytes": trials[0].config.budget_bytes,
        "reaped": sum(trial.storm.reaped for trial in trials),
        "states": sorted({trial.state.value for trial in trials}),
    }
    books = [trial.ledger for trial in trials if trial.ledger]
    orders = [trial.ordering for trial in trials if trial.ordering]
    delays = [trial.latency for trial in trials if trial.latency]
    sizes = [trial.memory for trial in trials if trial.memory]
    if books:
        info["attempted"] = sum(book.attempted for book in books)
        info["dropped"] = sum(book.dropped for book in books)
        info["own_attempted"] = sum(book.own_attempted for book in books)
        info["own_dropped"] = sum(book.own_dropped for book in books)
        info["missed"] = sum(book.missed for book in books)
    if orders:
        info["causal_pairs"] = sum(order.causal_pairs for order in orders)
        info["causal_violations"] = sum(order.causal_violations for order in orders)
    if delays:
        info["latency_p50_ns"] = median(delay.p50_ns for delay in delays)
        info["latency_p99_ns"] = median(delay.p99_ns for delay in delays)
    if sizes:
        info["physical_bytes"] = sizes[0].footprint.physical_bytes
    return info
