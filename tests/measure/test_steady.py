# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The steady middle: a slow beginning and end do not count."""

from __future__ import annotations

import numpy as np
import pytest

from bench.measure import pace
from bench.record.records import CAPTURED, Flag, Records

BEGIN = 10**12


def records(gaps_ns: list[int], *, flags: int = Flag.OWN) -> Records:
    rows = np.zeros(len(gaps_ns), CAPTURED)
    rows["timestamp_ns"] = BEGIN + np.cumsum(gaps_ns)
    rows["delivered_ns"] = rows["timestamp_ns"] + 5_000
    rows["flags"] = flags
    return rows


def test_ends_that_are_slow_do_not_count() -> None:
    rows = records([50_000] * 20 + [1_000] * 161 + [90_000] * 20)
    assert pace.exit_ns(rows) == 1_000
    assert pace.delivery_ns(rows) == 1_000


def test_the_order_of_delivery_does_not_matter_to_exits() -> None:
    rows = records([1_000] * 400)
    rows["timestamp_ns"] = np.random.default_rng(1).permutation(rows["timestamp_ns"])
    assert pace.exit_ns(rows) == 1_000


def test_only_the_first_record_of_the_storm_s_own_exits_is_an_exit() -> None:
    rows = records([1_000] * 600)
    rows["flags"][1::3] = Flag.OWN | Flag.REPEAT
    rows["flags"][2::3] = 0
    assert pace.exit_ns(rows) == 3_000
    assert pace.delivery_ns(rows) == 1_000


def test_of_many_exits_a_sample_says_the_same() -> None:
    rows = records([1_000] * 300_000)
    assert pace.exit_ns(rows) == pytest.approx(1_000, rel=1e-9)


def test_too_few_say_nothing() -> None:
    assert pace.exit_ns(records([1_000] * 99)) is None
    assert pace.delivery_ns(records([1_000] * 99)) is None
    assert pace.exit_ns(records([1_000] * 100)) == 1_000
