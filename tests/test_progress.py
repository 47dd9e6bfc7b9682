# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the bar is full when all trials are over, whether arms share storms or not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from bench.campaign import progress
from bench.plan.config import Duet, TrialConfig
from bench.plan.duration import estimate_seconds
from bench.plan.experiments import Arm, ArmName, Experiment
from workloads.storm import Storm


def experiment(duet: Duet | None) -> Experiment:
    configs = {
        name: TrialConfig(transport=name, budget_bytes=1 << 16, storm=Storm(count=2_000), duet=duet)
        for name in ("ringbuf", "perfbuf")
    }
    arms = tuple(Arm(name=ArmName(name), config=config) for name, config in configs.items())
    return Experiment(name="storm", title="?", arms=arms, blocks=5)


@pytest.mark.parametrize(
    ("duet", "storms"), [(None, 2), (Duet(solo=True), 2), (Duet(), 1), (Duet(window_ns=10**6), 1)]
)
def test_trials_advance_the_bar_by_what_was_expected_of_their_storms(
    duet: Duet | None, storms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, advanced = experiment(duet), list[float]()
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setattr(Progress, "advance", lambda _self, _task, by: advanced.append(by))
    with progress.shown([plan]) as begin:
        listener: Any = begin(plan)
        for arm in plan.arms * plan.blocks:
            listener(SimpleNamespace(config=arm.config))
    assert plan.storms == storms
    assert sum(advanced) == pytest.approx(estimate_seconds(plan))
