# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test how much too long a latency may be where records share a stamp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measure import twins

from bench.measure import latency
from bench.measure.latency import errors_ns
from bench.record.records import CAPTURED, Records

PERMILLES = (500, 900, 990, 999, 1000)


def delivered(stamps_ns: Sequence[int]) -> Records:
    records = np.zeros(len(stamps_ns), CAPTURED)
    records["delivered_ns"] = stamps_ns
    return records


@pytest.mark.parametrize(
    ("stamps_ns", "errors"),
    [
        ([], []),
        ([7], [0]),
        ([10, 25, 31], [0, 0, 0]),
        ([10, 30, 30, 30, 40], [0, 20, 20, 20, 0]),
        ([10, 30, 30, 75, 75], [0, 20, 20, 45, 45]),
    ],
)
def test_what_shares_a_stamp_came_after_the_stamp_before(
    stamps_ns: list[int], errors: list[int]
) -> None:
    records = delivered(stamps_ns)
    assert errors_ns(records, records).tolist() == errors


def test_some_records_of_a_capture_keep_the_error_that_they_have_in_it() -> None:
    """Though the stamp before, and those that share theirs, are another arm's or left out."""
    capture = delivered([10, 20, 35, 35, 50, 50, 50])
    assert errors_ns(capture[[0, 3, 4]], capture).tolist() == [0, 15, 15]


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 5)), max_size=40), st.data())
def test_the_true_percentiles_lie_within_the_error(
    groups: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Records that were held at any time since the stamp before."""
    stamps, held, before = [], [], 10**6
    for step, count in groups:
        after = before + step
        for _ in range(count):
            stamps.append(after)
            held.append(after if count == 1 else data.draw(st.integers(before, after)))
        before = after
    # The first stamp has none before it: the capture stamps the first records one by one.
    alone = [10**6, *stamps]
    records = delivered(alone)
    records["timestamp_ns"] = 10**6 - np.arange(len(records)) % 7 * 100
    found = latency.measure(records)
    assert found.error is not None
    truth = np.array([10**6, *held]) - records["timestamp_ns"].astype(np.int64)
    for permille, name in zip(PERMILLES, ("p50", "p90", "p99", "p999", "max"), strict=True):
        true_ns = twins.nearest_rank(truth.tolist(), permille)
        stated, error = (getattr(each, f"{name}_ns") for each in (found, found.error))
        assert stated - error <= true_ns <= stated
    assert found.error.count == sum(count for _, count in groups if count > 1)
