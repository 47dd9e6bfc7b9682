# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test restored order against its brute-force twin, and on streams whose answer is plain."""

from __future__ import annotations

from dataclasses import astuple

import made_up
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import twins

from bench.measure import release, restoring
from bench.measure.restoring import IDLE_NS, Restored, Sorting, restore
from bench.record.records import CAPTURED, Flag, Records

# Few CPUs and few moments, so that rounds, late records and equal times come by themselves.
_VISIT = st.tuples(st.integers(0, 3), st.lists(st.integers(0, 30), min_size=1, max_size=5))
_GAPS = st.integers(0, 6)
_VISITS = st.lists(st.tuples(_VISIT, _GAPS), max_size=12)
_UNITS_NS = st.sampled_from([1, 700_000])  # the longer one is of the order of fixed hold-backs
QUEUES = (Sorting.MERGE, Sorting.WATERMARK)
Visits = list[tuple[tuple[int, list[int]], int]]


def stream(visits: Visits, *, in_order: bool, unit_ns: int = 1) -> Records:
    """Return records read one CPU after another; each CPU's in the order of stamps, or not."""
    rows, now = [], 0
    newest = dict.fromkeys(range(4), 0)
    for (cpu, ages), gap in visits:
        now += gap
        for age in ages:
            now += age % 3
            stamp = max(now - age, 0)
            if in_order:
                stamp = newest[cpu] = max(stamp, newest[cpu])
            rows.append((stamp, now, cpu))
    records = np.zeros(len(rows), CAPTURED)
    for record, (stamp, delivered, cpu) in zip(records, rows, strict=True):
        record["timestamp_ns"], record["delivered_ns"] = unit_ns * stamp, unit_ns * delivered
        record["cpu"] = cpu
        record["length"] = 72
        record["flags"] = Flag.OWN
    return records


def run(records: Records, hold_ns: int, *, queues: bool, slowest: bool) -> list[tuple[int, int]]:
    """Return what the restorer releases, and when."""
    found = restoring._stream(records, range(4))
    order, released_ns = np.zeros((2, len(records)), np.int64)
    release.Restorer(len(records), 88, found.cpus, by_cpu=queues, slowest=slowest).run(
        records.view(np.uint8).reshape(-1, 88),
        found.stamp_ns,
        found.delivered_ns,
        found.cpu,
        found.rounds,
        hold_ns,
        order,
        released_ns,
    )
    return list(zip(order.tolist(), released_ns.tolist(), strict=True))


@settings(max_examples=150)
@given(_VISITS, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 40))
def test_releases_what_its_twin_does(
    visits: Visits, in_order: bool, queues: bool, slowest: bool, hold_ns: int
) -> None:
    records = stream(visits, in_order=in_order)
    if len(records):
        assert restoring._stream(records, ()).rounds.tolist() == twins.rounds(records)
        found = run(records, hold_ns, queues=queues, slowest=slowest)
        out, _ = twins.released(records, hold_ns, cpus=4, queues=queues, slowest=slowest)
        assert found == out


@settings(max_examples=150)
@given(_VISITS, st.booleans())
def test_the_hold_back_restores_order_and_a_shorter_one_does_not(
    visits: Visits, in_order: bool
) -> None:
    records = stream(visits, in_order=in_order)
    if not len(records):
        return
    hold_ns = restoring._least_hold_ns(restoring._stream(records, ()))

    def stamps(hold: int) -> list[int]:
        out, _ = twins.released(records, hold, cpus=4, queues=False, slowest=False)
        return [int(records["timestamp_ns"][place]) for place, _ in out]

    assert stamps(hold_ns) == sorted(stamps(hold_ns))
    if hold_ns:
        assert stamps(hold_ns - 1) != sorted(stamps(hold_ns - 1))


@settings(max_examples=200)
@given(_VISITS, st.booleans(), _UNITS_NS)
def test_the_numbers_are_those_of_what_is_released(
    visits: Visits, in_order: bool, unit_ns: int
) -> None:
    records = stream(visits, in_order=in_order, unit_ns=unit_ns)
    found = {each.by: each for each in restore(records, range(4))}
    if not len(records):
        assert not found
        return
    for by, each in found.items():
        out, peak = twins.released(
            records,
            each.hold_ns,
            cpus=4,
            queues=by in QUEUES,
            slowest=by is Sorting.WATERMARK,
        )
        waits = [when - int(records["delivered_ns"][place]) for place, when in out]
        after = twins.order_of(records[[place for place, _ in out]])
        assert (each.added_p50_ns, each.added_p99_ns) == (
            twins.nearest_rank(waits, 500),
            twins.nearest_rank(waits, 990),
        )
        assert each.inversions == after.inversions
        assert each.causal_violations == after.causal_violations
        assert (each.held_peak, each.held_bytes) == (peak, 72 * peak)
        assert each.records == len(records)
    assert found[Sorting.HEAP].inversions == 0
    assert {way: each.hold_ns for way, each in found.items() if way is not Sorting.HEAP} == {
        Sorting.MERGE: 0,
        Sorting.HEAP_1MS: 1_000_000,
        Sorting.HEAP_10MS: 10_000_000,
        Sorting.HEAP_100MS: 100_000_000,
        Sorting.WATERMARK: IDLE_NS,
    }


def by(records: Records, *cpus: int) -> dict[Sorting, Restored]:
    return {each.by: each for each in restore(records, cpus)}


def test_a_made_up_storm_behind_perf_buffers() -> None:
    """Its CPUs are read one after the other, each millisecond: a round has all before its end."""
    records = made_up.trial(20_000, transport="perfbuf").records
    found = by(records)
    assert {way: each.causal_violations for way, each in found.items()} == dict.fromkeys(Sorting, 0)
    assert {way: each.inversions for way, each in found.items()} == dict.fromkeys(Sorting, 0)
    assert all(each.causal_pairs > 15_000 and each.cpu_ns > 0 for each in found.values())
    assert found[Sorting.HEAP].hold_ns == 0  # a round has it all, and is merged before release
    assert found[Sorting.MERGE].added_p99_ns < made_up.DRAIN_NS


def parent_before_child(stamps: list[int], delivered: list[int]) -> Records:
    """Read CPU 0, then let its child exit, and its parent on CPU 1, which is read in that round."""
    records = np.zeros(4, CAPTURED)
    records["cpu"] = [0, 1, 0, 1]
    records["timestamp_ns"], records["delivered_ns"] = stamps, delivered
    records["flags"] = Flag.OWN | Flag.NO_CHILDREN
    records["pid"], records["start_ns"] = [50, 20, 30, 40], 1
    records["parent_pid"], records["parent_start_ns"] = [1, 10, 20, 10], 1
    assert restoring._stream(records, ()).rounds.tolist() == [0, 2, 3]
    return records


def test_a_child_that_is_read_a_round_after_its_parent_needs_a_hold_back() -> None:
    found = by(parent_before_child([500, 1_000, 900, 2_500], [1_050, 1_100, 2_000, 3_000]))
    left = {way: each.causal_violations for way, each in found.items()}
    assert left == {way: int(way is Sorting.MERGE) for way in Sorting}
    assert found[Sorting.HEAP].hold_ns == 1_000  # the parent's stamp to the second round
    assert found[Sorting.MERGE].added_p50_ns == 0


def test_a_fixed_hold_back_is_too_short_or_holds_more_for_longer() -> None:
    """Read the child 5 ms after its parent exited."""
    stamps, delivered = [500, 1_000, 900, 6_500], [1_050, 1_100, 6_000, 7_000]
    found = by(parent_before_child(*([1_000 * us for us in each] for each in (stamps, delivered))))
    short, least, long = (found[way] for way in (Sorting.HEAP_1MS, Sorting.HEAP, Sorting.HEAP_10MS))
    assert least.hold_ns == 5_000_000
    assert [each.causal_violations for each in (short, least, long)] == [1, 0, 0]
    assert [each.inversions for each in (short, least, long)] == [1, 0, 0]
    assert (short.held_peak, long.held_peak) == (2, 4)
    # By 450, 900, 0 and 500 us; by 9,450, 9,900, 4,900 and 9,500.
    assert (short.added_p50_ns, short.added_p99_ns) == (450_000, 900_000)
    assert (long.added_p50_ns, long.added_p99_ns) == (9_450_000, 9_900_000)


@pytest.mark.parametrize("count", [0, 1])
def test_few_records(count: int) -> None:
    records = made_up.trial(100, transport="perfbuf").records[:count]
    assert [each.held_peak for each in restore(records)] == [1] * len(Sorting) * count


def test_a_cpu_that_sends_nothing_delays_all_by_the_time_out() -> None:
    records = made_up.trial(2_000, transport="perfbuf").records
    without, beside = (by(records, *cpus)[Sorting.WATERMARK] for cpus in ((0, 1), (0, 1, 2)))
    assert without.added_p50_ns < made_up.DRAIN_NS
    assert IDLE_NS - 2 * made_up.DRAIN_NS < beside.added_p50_ns < IDLE_NS
    assert (without.inversions, beside.inversions) == (0, 0)
    assert beside.held_peak > without.held_peak


def test_the_same_twice_but_for_the_time_it_took() -> None:
    records = made_up.trial(5_000, transport="perfbuf").records
    first, second = (
        [astuple(each)[:3] + astuple(each)[4:] for each in restore(records)] for _ in range(2)
    )
    assert first == second
