# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test occupancy: shares of the buffers' bytes, and of the storm's time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measure import twins

from bench.measure.cost import occupancy


@given(st.lists(st.integers(0, 4096), min_size=1, max_size=300))
def test_percentiles_are_nearest_rank_shares_of_the_data(samples: list[int]) -> None:
    found = occupancy(np.array(samples, np.uint64), 4096, consumer_cpu_ns=0, storm_ns=1)
    assert found.samples == len(samples)
    assert found.p50_share == twins.nearest_rank(samples, 500) / 4096
    assert found.p99_share == twins.nearest_rank(samples, 990) / 4096
    assert found.max_share == max(samples) / 4096


def test_two_hundred_samples_by_hand() -> None:
    found = occupancy(np.arange(1, 201, dtype=np.uint64), 400, consumer_cpu_ns=0, storm_ns=1)
    assert (found.p50_share, found.p99_share, found.max_share) == (0.25, 0.495, 0.5)


@pytest.mark.parametrize(
    ("cpu_ns", "storm_ns", "idle"),
    [(250, 1_000, 0.75), (0, 1_000, 1.0), (1_000, 1_000, 0.0), (1_500, 1_000, 0.0), (0, 1, 1.0)],
)
@pytest.mark.parametrize("samples", [[], [7]])
def test_a_consumer_is_idle_while_it_has_no_cpu(
    cpu_ns: int, storm_ns: int, idle: float, samples: list[int]
) -> None:
    used = np.array(samples, np.uint64)
    found = occupancy(used, 4096, consumer_cpu_ns=cpu_ns, storm_ns=storm_ns)
    assert found.consumer_idle_share == pytest.approx(idle)


@pytest.mark.parametrize("storm_ns", [0, -7])
def test_no_samples_and_no_storm_are_zeros(storm_ns: int) -> None:
    found = occupancy(np.zeros(0, np.uint64), 4096, consumer_cpu_ns=5, storm_ns=storm_ns)
    assert (found.samples, found.p50_share, found.p99_share, found.max_share) == (0, 0, 0, 0)
    assert found.consumer_idle_share == 0
