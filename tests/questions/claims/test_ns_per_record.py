# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test where a claim gets ns per record from: timestamps, else statistics of BPF runs."""

from __future__ import annotations

from dataclasses import replace

from made_up_claims import dropped, ns, refused_ns
from made_up_trials import trial

from bench.questions.claims.quantities import ns_per_refusal, ns_per_success, steady_ns
from bench.trial.result import TrialResult


def paced(made: TrialResult, record_ns: float | None) -> TrialResult:
    assert made.cost is not None
    return replace(made, cost=replace(made.cost, record_ns=record_ns))


def test_timestamps_come_before_statistics():
    # An interrupt of 4 ms in a trial of 1,000 records: 4,100 ns each by the runs' mean.
    made = ns(trial("ringbuf@1MiB", 0), 4_100)
    assert steady_ns(paced(made, 100.0)) == 100.0
    assert steady_ns(paced(made, None)) == 4_100.0


def test_contention_is_judged_by_the_mean():
    """Most exits do not write while another CPU does; those that do pay several times as much."""
    assert ns_per_success(paced(ns(trial("ringbuf@1MiB", 0), 200), 85.0)) == 200.0


def test_a_clock_too_coarse_to_tell_records_apart_is_not_asked():
    assert steady_ns(paced(ns(trial("ringbuf@1MiB", 0), 90), 0.0)) == 90.0


def test_a_mean_over_written_and_refused_records_describes_neither():
    lossy = dropped(ns(trial("ringbuf@1MiB", 0), 90), 0.1)
    assert ns_per_success(lossy) is None
    assert steady_ns(paced(lossy, None)) is None


def test_timestamps_are_of_written_records_alone():
    made = ns(trial("ringbuf@1MiB", 0), 90)
    assert steady_ns(paced(dropped(made, 0.1), 80.0)) == 80.0
    assert steady_ns(paced(dropped(made, 0.6), 80.0)) is None


def test_refused_writes_have_no_timestamps():
    made = paced(refused_ns(trial("ringbuf@1MiB", 0), 31), 500.0)
    assert ns_per_refusal(made) == 31.0
