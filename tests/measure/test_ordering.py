# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the order of delivery against its brute-force twin, and on streams of plain answers."""

from __future__ import annotations

from bisect import bisect_left

import made_up
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import twins

from bench.measure import ordering
from bench.record.records import CAPTURED, Flag, Records

# Few processes and few moments, so that parents, reused pids and equal times meet by themselves.
_PROCESSES = st.tuples(st.integers(1, 5), st.integers(0, 3))
_ROWS = st.tuples(st.integers(0, 40), _PROCESSES, _PROCESSES, st.integers(0, 15), st.integers(0, 9))


def _stream(rows: list[tuple[int, tuple[int, int], tuple[int, int], int, int]]) -> Records:
    records = np.zeros(len(rows), CAPTURED)
    now = 0
    for record, (timestamp, process, parent, flags, gap) in zip(records, rows, strict=True):
        now += gap
        record["timestamp_ns"] = timestamp
        record["pid"], record["start_ns"] = process
        record["parent_pid"], record["parent_start_ns"] = parent
        record["flags"] = flags
        record["delivered_ns"] = 100 + now
    return records


def _family(*names: str) -> Records:
    """Return a grandmother, mother and child that exit child first, in the given order."""
    known = {"child": (3, 30, 2, 20, 300), "mother": (2, 20, 1, 10, 400)}
    known["grandmother"] = (1, 10, 99, 1, 500)
    records = np.zeros(len(names), CAPTURED)
    for record, name in zip(records, names, strict=True):
        pid, start, parent_pid, parent_start, timestamp = known[name]
        record["pid"], record["start_ns"] = pid, start
        record["parent_pid"], record["parent_start_ns"] = parent_pid, parent_start
        record["timestamp_ns"] = timestamp
        record["flags"] = Flag.OWN | Flag.NO_CHILDREN
    records["delivered_ns"] = 1_000 + np.arange(len(names))
    return records


@settings(max_examples=300)
@given(st.lists(_ROWS, max_size=30))
def test_agrees_with_its_brute_force_twin(rows):
    records = _stream(rows)
    assert ordering.examine(records) == twins.order_of(records)


@settings(max_examples=300)
@given(st.data())
def test_agrees_where_pids_and_times_are_as_large_as_they_get(data):
    pids, times = st.integers(2**22, 2**32 - 1), st.integers(0, 2**62)
    people = data.draw(st.lists(st.tuples(pids, times), min_size=1, max_size=8))
    someone = st.sampled_from(people)
    rows = data.draw(st.lists(st.tuples(times, someone, someone, st.just(3), st.just(1))))
    records = _stream(rows)
    assert ordering.examine(records) == twins.order_of(records)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 40), max_size=60))
def test_the_windows_restore_order_and_a_smaller_heap_does_not(timestamps):
    records = np.zeros(len(timestamps), CAPTURED)
    records["timestamp_ns"] = timestamps
    result = ordering.examine(records)
    in_order = sorted(timestamps)
    assert twins.through_heap(timestamps, result.window_events) == in_order
    assert twins.through_window(timestamps, result.window_ns) == in_order
    if result.inversions:
        assert twins.through_heap(timestamps, result.window_events - 1) != in_order


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
@pytest.mark.parametrize("shape", ["chain", "storm"])
def test_agrees_on_streams_longer_than_a_block(transport, shape):
    # Blocks are what only a long stream reaches; the twin's hold-back is quadratic, so it is left
    # to the shorter ones.
    records = made_up.trial(150_000, transport=transport, shape=shape, loss=0.01).records
    rows = [row.tolist() for row in records[["pid", "start_ns", "parent_pid", "parent_start_ns"]]]
    where = {(pid, start): index for index, (pid, start, _, _) in enumerate(rows)}
    pairs = [
        (where[parent, start], index)
        for index, (_, _, parent, start) in enumerate(rows)
        if (parent, start) in where
    ]
    timestamps = records["timestamp_ns"].astype(np.int64)
    latest = np.maximum.accumulate(timestamps)
    place = np.empty(len(records), np.int64)
    place[np.argsort(timestamps, kind="stable")] = np.arange(len(records))
    result = ordering.examine(records)
    assert result.causal_pairs == len(pairs) > 10_000
    assert result.causal_violations == sum(parent < child for parent, child in pairs)
    assert result.inversions == np.count_nonzero(latest > timestamps)
    assert result.window_ns == (latest - timestamps).max()
    assert result.window_events == (np.arange(len(records)) - place).max()


def test_percentiles_of_thousands_of_late_events_are_nearest_ranks():
    records = made_up.trial(40_000, transport="perfbuf", loss=0.01).records
    timestamps = [int(time) for time in records["timestamp_ns"]]
    delivered = [int(time) for time in records["delivered_ns"]]
    latest, places = (
        0,
        {index: place for place, index in enumerate(np.argsort(timestamps, kind="stable"))},
    )
    lateness, displacement, so_far = [], [], []
    for index, timestamp in enumerate(timestamps):
        if timestamp < latest:
            lateness.append(latest - timestamp)
            displacement.append(max(index - places[index], 0))
        latest = max(latest, timestamp)
        so_far.append(latest)
    assert len(set(lateness)) > 10_000
    window_ns, held = max(lateness), []
    for index, timestamp in enumerate(timestamps):
        release = max(index, bisect_left(so_far, timestamp + window_ns))
        held.append(delivered[min(release, len(records) - 1)] - delivered[index])
    result = ordering.examine(records)
    assert result.inversions == len(lateness)
    for found, values in (
        ((result.lateness_p50_ns, result.lateness_p99_ns, result.lateness_max_ns), lateness),
        ((result.displacement_p50, result.displacement_p99, result.displacement_max), displacement),
        ((result.window_cost_p50_ns, result.window_cost_p99_ns), held),
    ):
        ranks = (500, 990, 1000)[: len(found)]
        assert found == tuple(twins.nearest_rank(values, permille) for permille in ranks)
    assert (result.window_ns, result.window_events) == (window_ns, max(displacement))


def test_the_storms_own_are_found_wherever_they_stand():
    """Strangers fill the first blocks; only the last record and one before it are the storm's."""
    records = np.zeros(140_000, CAPTURED)
    records["timestamp_ns"] = np.arange(140_000)[::-1]  # strangers: all the wrong way round
    records["flags"][[-2, -1]] = Flag.OWN
    records["timestamp_ns"][[-2, -1]] = [500, 400]
    result = ordering.examine(records)
    assert (result.inversions, result.lateness_max_ns) == (1, 100)


def test_chains_on_a_ring_are_not_violated_and_on_perf_they_are():
    ring = ordering.examine(made_up.trial(20_000, transport="ringbuf").records)
    perf = ordering.examine(made_up.trial(20_000, transport="perfbuf").records)
    assert ring.causal_violations == 0
    assert ring.causal_pairs > 15_000
    assert perf.causal_violations > 100
    assert perf.lateness_max_ns > 500_000


def test_a_window_that_ends_beyond_int64():
    someone = (2**22, 0)
    records = _stream([(2**62, someone, someone, 3, 1), (0, someone, someone, 3, 1)])
    assert ordering.examine(records) == twins.order_of(records)


def test_a_reversed_stream_is_flagged():
    records = made_up.trial(2_000).records[::-1]
    result = ordering.examine(records)
    assert result.causal_violations == result.causal_pairs
    assert result.inversions == len(records) - 1
    assert result.window_events == len(records) - 1


def test_an_ordered_stream_is_not():
    result = ordering.examine(_family("child", "mother", "grandmother"))
    assert (result.causal_pairs, result.causal_violations, result.inversions) == (2, 0, 0)
    assert (result.window_ns, result.window_events, result.window_cost_p99_ns) == (0, 0, 0)


def test_one_parent_first_is_one_violation():
    result = ordering.examine(_family("mother", "child", "grandmother"))
    assert (result.causal_pairs, result.causal_violations) == (2, 1)
    assert (result.inversions, result.lateness_max_ns, result.displacement_max) == (1, 100, 1)


def test_a_parent_with_children_left_makes_no_pair():
    records = _family("mother", "child")
    records["flags"][0] = Flag.OWN
    assert ordering.examine(records).causal_pairs == 0


def test_a_reused_pid_is_another_process():
    records = _family("mother", "child")
    records["start_ns"][0] += 1
    assert ordering.examine(records).causal_pairs == 0


def test_repeats_make_no_pairs_but_keep_their_place_in_time():
    records = _family("mother", "mother", "child", "child")
    records["flags"][[1, 3]] |= np.uint16(Flag.REPEAT)
    result = ordering.examine(records)
    assert (result.causal_pairs, result.causal_violations) == (1, 1)
    assert result.inversions == 2


def test_strangers_are_left_out_unless_all_are_strangers():
    records = _family("mother", "child", "grandmother")
    records["flags"][1] = Flag.NO_CHILDREN
    assert ordering.examine(records).inversions == 0
    records["flags"] = Flag.NO_CHILDREN
    assert ordering.examine(records).inversions == 1


def test_nothing_delivered_is_in_order():
    result = ordering.examine(np.zeros(0, CAPTURED))
    assert (result.causal_pairs, result.inversions, result.window_cost_p50_ns) == (0, 0, 0)


def test_many_records_of_one_process_end():
    # Nothing that the kernel would send, but a join that puts one aside a round would never end.
    records = np.zeros(100_000, CAPTURED)
    records["flags"] = Flag.NO_CHILDREN
    records["parent_pid"] = 1
    assert ordering.examine(records).causal_pairs == 0
