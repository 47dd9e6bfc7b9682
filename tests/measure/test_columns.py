# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test columns, percentiles and the packed sort."""

from __future__ import annotations

import made_up
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import twins

from bench.measure.columns import percentiles, select, stable_order
from bench.record.records import CAPTURED, Flag


@settings(max_examples=200)
@given(
    st.one_of(
        st.lists(st.integers(0, 20)),
        st.lists(st.integers(-(2**62), 2**62 - 1)),  # too far apart to be packed
    )
)
def test_stable_order_is_argsort(values):
    array = np.array(values, np.int64)
    assert stable_order(array).tolist() == np.argsort(array, kind="stable").tolist()


def test_values_that_just_fit_beside_their_positions_are_in_order():
    values = np.array([2**58 + step for step in (2**59, 0, 5, 2**58, 1)], np.int64)
    assert stable_order(values).tolist() == [1, 4, 2, 3, 0]


@pytest.mark.parametrize(
    ("count", "permille", "rank"),
    [
        (1, 0, 0),
        (1, 1000, 0),
        (3, 333, 0),  # 0.999 values: the first does
        (3, 334, 1),  # 1.002: the first does not
        (3, 666, 1),
        (3, 667, 2),
        (1_000, 1, 0),
        (1_001, 1, 1),
        (100_000, 990, 98_999),
        (100_000, 1000, 99_999),
    ],
)
def test_ranks_by_hand(count, permille, rank):
    assert percentiles(np.arange(count), (permille,)) == (rank,)


@settings(max_examples=200)
@given(st.lists(st.integers(-(2**62), 2**62)), st.integers(0, 1000))
def test_percentiles_are_values_that_occurred(values, permille):
    (got,) = percentiles(np.array(values, np.int64), (permille,))
    assert got == twins.nearest_rank(values, permille)


@pytest.mark.parametrize(("having", "lacking"), [(0, 0), (1, 0), (3, 8), (0, 2), (4, 3)])
def test_select_keeps_the_order_and_the_flags_asked_for(having, lacking):
    records = made_up.trial(150_000).records
    records["flags"] = np.random.default_rng(5).integers(0, 16, len(records))
    columns = select(records, ("timestamp_ns", "pid"), having=having, lacking=lacking)
    flags = records["flags"].astype(int)
    wanted = records[((flags & having) == having) & ((flags & lacking) == 0)]
    assert columns["timestamp_ns"].tolist() == wanted["timestamp_ns"].tolist()
    assert columns["pid"].tolist() == wanted["pid"].tolist()
    assert columns["timestamp_ns"].dtype == np.int64
    assert columns["pid"].flags.c_contiguous


def test_select_takes_every_record_and_keeps_the_types_unless_asked():
    records = made_up.trial(100).records
    records["flags"] = np.arange(len(records)) % 16
    columns = select(records, CAPTURED.names)
    for name, column in columns.items():
        assert column.tolist() == records[name].tolist()
        time = CAPTURED[name] == np.uint64
        assert column.dtype == (np.int64 if time else CAPTURED[name])


def test_times_subtract_below_zero():
    records = made_up.trial(100).records[::-1]
    column = select(records, ("timestamp_ns",), having=Flag.OWN)["timestamp_ns"]
    assert (np.diff(column) < 0).all()
