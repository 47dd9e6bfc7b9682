# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figures per event, and none where there was nothing to divide by."""

from __future__ import annotations

from dataclasses import replace

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
)


def test_figures_per_event():
    assert _COST.ns_per_run == 500
    assert _COST.cpu_s_per_million == 2.0  # 0.1 s for 50,000
    assert _COST.switches_per_event == 0.2
    assert _COST.wakeups_taken_per_event == 0.5
    assert _COST.wakeups_raised_per_event == 0.75
    assert _COST.wakeups_raised_per_run == 3


def test_nothing_delivered_is_no_figure_and_no_zero():
    nothing = replace(_COST, delivered=0, attempted=0, kernel_runs=0, storm_ns=0)
    assert nothing.cpu_s_per_million is None
    assert nothing.switches_per_event is None
    assert nothing.wakeups_taken_per_event is None
    assert nothing.wakeups_raised_per_event is None
    assert nothing.wakeups_raised_per_run is None
    assert nothing.ns_per_run is None


def test_what_was_not_told_is_no_figure():
    untold = replace(_COST, wakeups_raised=None, kernel_runs=None, kernel_run_ns=None)
    assert untold.wakeups_raised_per_event is None
    assert untold.wakeups_raised_per_run is None
    assert untold.ns_per_run is None
    assert (_COST.delivery_ns, _COST.consumer_syscalls, _COST.record_ns) == (0, None, None)
