# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the cost of a wake-up, from two made-up trials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_up_trials import trial

from bench.campaign import campaign
from bench.trial.result import TrialResult


@pytest.mark.parametrize(
    ("attempted", "dropped", "expected"), [(1_000, 0, 0.0), (1_000, 1, None), (0, 0, None)]
)
def test_it_is_unknown_where_records_were_lost_or_none_was_written(
    attempted: int, dropped: int, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trial("ringbuf@4MiB", 0, attempted=attempted, dropped=dropped)
    assert made.cost is not None
    cost = replace(made.cost, kernel_runs=5, kernel_run_ns=9_000)  # threads run the program too

    def run_trial(*_: object) -> TrialResult:
        return replace(made, cost=cost)

    monkeypatch.setattr(campaign, "run_trial", run_trial)
    nothing: Any = None
    assert campaign.wakeup_cost_ns(nothing) == expected
