# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a data set has all columns that trials in memory have."""

from __future__ import annotations

from inspect import isfunction

from bench.dataset.stored import Stored
from bench.judge.columns import Columns


def test_a_data_set_takes_no_column_from_memory() -> None:
    """It inherits from ``Columns``, whose trials in memory it lacks."""
    columns = {name for name, of in vars(Columns).items() if isfunction(of)}
    assert columns <= vars(Stored).keys()
