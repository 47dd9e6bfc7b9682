# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test figures per event, and that there are none where there was nothing to divide by."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_trials import trial

from bench.judge.numbers import number
from bench.measure.cost import Cost

_COST = Cost(
    storm_ns=2_000_000_000,
    delivered=50_000,
    attempted=80_000,
    kernel_runs=20_000,  # four records an exit
    kernel_run_ns=10_000_000,
    consumer_cpu_ns=100_000_000,
    consumer_voluntary_switches=9_000,
    consumer_involuntary_switches=1_000,
    wakeups_taken=25_000,
    wakeups_raised=60_000,
    empty_polls=75_000,
)
_FIGURES = {
    "kernel_ns_per_run": 500,
    "consumer_cpu_s_per_million": 2.0,  # 0.1 s for 50,000
    "switches_per_event": 0.2,
    "wakeups_taken_per_event": 0.5,
    "wakeups_raised_per_event": 0.75,
    "empty_polls_per_event": 1.5,
    "empty_poll_share": 0.75,
}


def _figure(key: str, cost: Cost | None) -> float | None:
    return number(key)(replace(trial("ringbuf@64KiB", 0), cost=cost))


@pytest.mark.parametrize("key", _FIGURES)
def test_figures_per_event(key: str) -> None:
    assert _figure(key, _COST) == _FIGURES[key]
    assert _figure(key, None) is None


@pytest.mark.parametrize("key", _FIGURES)
def test_nothing_delivered_is_no_figure_and_no_zero(key: str) -> None:
    nothing = replace(
        _COST, delivered=0, attempted=0, kernel_runs=0, wakeups_taken=0, empty_polls=0
    )
    assert _figure(key, nothing) is None


def test_what_was_not_recorded_is_no_figure() -> None:
    bare = replace(
        _COST, wakeups_raised=None, kernel_runs=None, kernel_run_ns=None, empty_polls=None
    )
    absent = {key for key in _FIGURES if _figure(key, bare) is None}
    assert absent == {
        *("kernel_ns_per_run", "wakeups_raised_per_event"),
        *("empty_polls_per_event", "empty_poll_share"),
    }
    assert (_COST.delivery_ns, _COST.consumer_syscalls, _COST.record_ns) == (0, None, None)
