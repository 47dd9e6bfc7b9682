# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure time and memory of ledger, ordering and latency for a million records.

pytest-benchmark prints the medians. Time is never asserted; memory is, since it does not vary.
"""

from __future__ import annotations

import tracemalloc

import made_up
import psutil
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure import latency, ledger, ordering, restoring

pytestmark = [pytest.mark.alone, pytest.mark.slow]

RECORDS = 1_000_000  # many of the blocks in which they are measured
NEEDED_BYTES = 1 << 30  # to make the stream up; measuring it takes a fifth


@pytest.fixture(scope="module", params=["ringbuf", "perfbuf"])
def trial(request: pytest.FixtureRequest) -> made_up.Trial:
    """Return chains, which have the most pairs to find: as each transport would deliver them."""
    if psutil.virtual_memory().available < NEEDED_BYTES:
        pytest.skip(f"a million records take {NEEDED_BYTES >> 30} GiB of free memory")
    return made_up.trial(RECORDS, transport=request.param, loss=0.01)


def _analyse(trial: made_up.Trial) -> tuple[ledger.Ledger, ordering.Ordering, latency.Latency]:
    return (
        ledger.balance(*trial),
        ordering.examine(trial.records),
        latency.measure(trial.records),
    )


def test_all_three(trial: made_up.Trial, benchmark: BenchmarkFixture) -> None:
    account, order, delay = benchmark.pedantic(_analyse, args=(trial,), rounds=3)
    assert account.balanced
    assert order.causal_pairs > 0.9 * RECORDS
    assert delay.count == len(trial.records)


def test_ledger(trial: made_up.Trial, benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(ledger.balance, args=trial, rounds=3).balanced


def test_ordering(trial: made_up.Trial, benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(ordering.examine, args=(trial.records,), rounds=3).inversions


def test_restoring(trial: made_up.Trial, benchmark: BenchmarkFixture) -> None:
    """Sort the first half million; time a trial's ways all together."""
    found = benchmark.pedantic(restoring.restore, args=(trial.records,), rounds=3)
    assert {each.causal_violations for each in found} == {0}


def test_latency(trial: made_up.Trial, benchmark: BenchmarkFixture) -> None:
    assert benchmark.pedantic(latency.measure, args=(trial.records,), rounds=3).max_ns


def test_less_memory_than_the_capture_itself(trial: made_up.Trial) -> None:
    tracemalloc.start()
    try:
        _analyse(trial)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(
        f"\n{len(trial.records):,} records: capture {trial.records.nbytes / 1e6:.0f} MB,"
        f" analysis {peak_bytes / 1e6:.0f} MB more"
    )
    assert peak_bytes < trial.records.nbytes
