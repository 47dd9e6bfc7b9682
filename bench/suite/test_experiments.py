# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Replay trials as tests, one per experiment and arm: a round is a block, its time the storm's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, Final

import pytest

from bench.amounts import counted
from bench.judge.load import reduced, state_of
from bench.judge.numbers import number
from bench.plan.experiments import Arm, Experiment
from bench.suite.plugin import Suite
from bench.trial.result import State, TrialResult

_EXTRA: Final[tuple[tuple[str, str, Callable[[Iterable[Any]], object], tuple[str, ...]], ...]] = (
    ("ledger", "", sum, ("attempted", "dropped", "own_attempted", "own_dropped", "missed")),
    ("ordering", "", sum, ("causal_pairs", "causal_violations")),
    ("latency", "latency_", median, ("p50_ns", "p99_ns")),
)
"""The part of a trial, the prefix of its numbers' names, and how several are combined."""

_ERRORS: Final = ("latency_error_p50_ns", "latency_error_p99_ns")
"""The most by which latencies of any round are too long."""


@pytest.fixture
def trials(suite: Suite, experiment: Experiment, arm: Arm) -> list[TrialResult]:
    """Return the arm's trials with full storms; ``benchmark`` must not be made without any."""
    every = [trial for trial in suite.run(experiment) if trial.arm == arm.name]
    cut = [trial for trial in every if state_of(trial) is State.REDUCED]
    if cut:
        suite.reduced.append(
            f"{experiment.name} {arm.name}: {len(cut)} of {counted(len(every), 'storm')} reduced, "
            f"and no rounds (the first: {'; '.join(reduced(cut[0]))})"
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

    def replay() -> None:
        storm = next(rounds).storm
        suite.replayed_ns += storm.end_ns - storm.start_ns

    benchmark.pedantic(replay, rounds=len(trials), iterations=1)
    invalid = [trial.reasons for trial in trials if trial.state is State.INVALID]
    assert not invalid, f"trials that do not balance: {invalid}"


def extra_info(trials: list[TrialResult]) -> dict[str, object]:
    """Return the extra values of JSON: sums and medians over the rounds."""
    info: dict[str, object] = {
        "transport": trials[0].config.transport,
        "budget_bytes": trials[0].config.budget_bytes,
        "reaped": sum(trial.storm.reaped for trial in trials),
        "states": sorted({trial.state.value for trial in trials}),
    }
    for part, prefix, taken, names in _EXTRA:
        if found := [each for trial in trials if (each := getattr(trial, part))]:
            for name in names:
                info[f"{prefix}{name}"] = taken(getattr(each, name) for each in found)
    for key in _ERRORS:
        if errors := [each for each in map(number(key), trials) if each is not None]:
            info[key] = max(errors)
    if sizes := [trial.memory for trial in trials if trial.memory]:
        info["physical_bytes"] = sizes[0].footprint.physical_bytes
    return info
