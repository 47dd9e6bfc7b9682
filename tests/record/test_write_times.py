# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test times of writes from a log-linear histogram: the steady mean and the median."""

from __future__ import annotations

import numpy as np
import pytest

from bench.record.counters import WriteTimes, lower_mean, median
from bench.tracer.chooser import _lowest_ns


def histogram(values_ns: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Return what the BPF program makes of these times."""
    lowest = np.array([_lowest_ns(bucket) for bucket in range(288)])
    buckets = np.searchsorted(lowest, values_ns, side="right") - 1
    counts = np.bincount(buckets, minlength=288)
    return tuple((int(lowest[at]), int(counts[at])) for at in np.flatnonzero(counts))


def written(counts: tuple[tuple[int, int], ...]) -> WriteTimes:
    return WriteTimes(
        written=sum(count for _, count in counts),
        written_ns=0,
        refused=0,
        refused_ns=0,
        clock_ns=40.0,
        histogram=counts,
    )


def test_the_quickest_nine_tenths_are_averaged() -> None:
    values = np.random.default_rng(1).normal(120, 15, 50_000).astype(np.int64)
    exact = np.sort(values)[: len(values) * 9 // 10].mean()
    assert lower_mean(histogram(values), 0.9) == pytest.approx(exact, rel=0.01)
    assert lower_mean(histogram(values), 1.0) == pytest.approx(values.mean(), rel=0.01)


def test_interrupts_do_not_move_the_steady_mean_nor_the_median() -> None:
    calm = np.full(10_000, 100)
    hit = np.concatenate([calm[:-500], np.full(500, 1_000_000)])
    assert lower_mean(histogram(hit), 0.9) == lower_mean(histogram(calm), 0.9)
    assert median(histogram(hit)) == pytest.approx(median(histogram(calm)), abs=0.2)


@pytest.mark.parametrize("centre", [20, 37, 300, 5_000])
def test_the_median_is_found_within_its_bucket(centre: int) -> None:
    values = np.random.default_rng(2).integers(centre // 2, 2 * centre, 40_001)
    assert median(histogram(values)) == pytest.approx(np.median(values), rel=0.02)


def test_without_a_write_there_is_no_time() -> None:
    nothing = WriteTimes(
        written=0, written_ns=0, refused=2, refused_ns=90, clock_ns=40.0, histogram=()
    )
    assert nothing.write_ns is None
    assert nothing.steady_write_ns is None
    assert nothing.refused_write_ns == 5
    assert median(()) == 0


def test_the_clock_is_taken_off_once() -> None:
    found = written(((150, 10),))
    assert found.write_ns == pytest.approx(113.5)  # the bucket of 150 has 150 to 157
    assert found.steady_write_ns == pytest.approx(113.5)
    assert found.refused_write_ns is None


def test_a_write_that_was_held_up_counts_as_the_longest_that_was_not() -> None:
    calm = np.full(4_000, 400)
    hit = written(histogram(np.append(calm, 2_000_000)))
    assert hit.write_ns == pytest.approx(written(histogram(calm)).write_ns + 25, rel=0.01)
    slow = np.full(4_000, 20_000)  # as in an emulated guest, whose wake-ups take ten times that
    woken = np.append(slow, np.full(1_000, 200_000))
    assert written(histogram(woken)).write_ns == pytest.approx(woken.mean() - 40, rel=0.02)


def test_the_mean_is_that_of_the_writes_less_the_clock() -> None:
    values = np.random.default_rng(3).lognormal(7, 0.5, 8_000)
    assert written(histogram(values)).write_ns == pytest.approx(values.mean() - 40, rel=0.005)
    assert written(((20, 0),)).write_ns is None
