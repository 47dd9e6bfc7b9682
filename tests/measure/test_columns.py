# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Columns, percentiles and the packed sort."""

from __future__ import annotations

import made_up
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import twins

from bench.measure.columns import percentiles, select, stable_order
from bench.record import Flag


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.lists(st.integers(0, 20)),
        st.lists(st.integers(-(2**62), 2**62 - 1)),  # too far apart to be packed
    )
)
def test_stable_order_is_argsort(values):
    array = np.array(values, np.int64)
    assert stable_order(array).tolist() == np.argsort(array, kind="stable").tolist()


@settings(max_examples=500, deadline=None)
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


def test_times_subtract_below_zero():
    records = made_up.trial(100).records[::-1]
    column = select(records, ("timestamp_ns",), having=Flag.OWN)["timestamp_ns"]
    assert (np.diff(column) < 0).all()
