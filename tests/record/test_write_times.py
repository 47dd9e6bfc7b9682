# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Times of writes from a log-linear histogram: the steady mean and the median."""

from __future__ import annotations

import numpy as np
import pytest

from bench.record.write import WriteTimes, lower_mean, median
from bench.tracer.chooser import _lowest_ns


def histogram(values_ns: np.ndarray) -> tuple[tuple[int, int], ...]:
    """What the BPF program makes of these times."""
    lowest = np.array([_lowest_ns(bucket) for bucket in range(288)])
    buckets = np.searchsorted(lowest, values_ns, side="right") - 1
    counts = np.bincount(buckets, minlength=288)
    return tuple((int(lowest[at]), int(counts[at])) for at in np.flatnonzero(counts))


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
    found = WriteTimes(
        written=10, written_ns=1_500, refused=0, refused_ns=0, clock_ns=40.0, histogram=((20, 10),)
    )
    assert found.write_ns == 110
    assert found.steady_write_ns == pytest.approx(-20.0)
    assert found.refused_write_ns is None
