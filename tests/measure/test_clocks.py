# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import made_up
import numpy as np
import pytest

from bench.measure.latency import clock_faults
from bench.record.records import Flag, Records
from workloads.storm import StormReport


@pytest.fixture
def records() -> Records:
    return made_up.trial(400).records


def storm(records: Records, *, begun_ns: int = 0) -> StormReport:
    start_ns = int(records["timestamp_ns"].min()) + begun_ns
    return StormReport(made=1, reaped=1, start_ns=start_ns, end_ns=start_ns + 10**9)


def test_a_record_comes_after_its_timestamp_and_the_storm_s_beginning(records: Records) -> None:
    assert clock_faults(records, storm(records)) == ()
    assert clock_faults(records[:0], storm(records)) == ()


@pytest.mark.parametrize(("offset_ns", "written"), [(1, "1 ns"), (90 * 10**9, "90.0 s")])
def test_a_delivery_before_the_timestamp_is_a_fault(
    records: Records, offset_ns: int, written: str
) -> None:
    records["delivered_ns"][7] = records["timestamp_ns"][7] - offset_ns
    (fault,) = clock_faults(records, storm(records))
    assert fault.startswith("clock fault: 1 record was delivered")
    assert f"by up to {written}" in fault


def test_an_exit_before_the_storm_began_is_a_fault_if_it_is_the_storm_s(records: Records) -> None:
    late = storm(records, begun_ns=1)
    (fault,) = clock_faults(records, late)
    assert fault == "clock fault: 1 of the storm's processes exited before it began"
    records["flags"] &= ~int(Flag.OWN) & 0xFFFF
    assert clock_faults(records, late) == ()


def test_a_record_may_be_delivered_in_the_nanosecond_of_its_stamp(records: Records) -> None:
    records["delivered_ns"][7] = records["timestamp_ns"][7]
    assert clock_faults(records, storm(records)) == ()


def test_faults_are_counted_over_the_whole_capture() -> None:
    many = made_up.trial(200_000).records
    for at, ahead_ns in ((3, 50), (70_000, 900), (len(many) - 1, 7)):
        many["delivered_ns"][at] = many["timestamp_ns"][at] - ahead_ns
    begun_ns = int(np.sort(many["timestamp_ns"])[-1]) - int(many["timestamp_ns"].min())
    early, before = clock_faults(many, storm(many, begun_ns=begun_ns))
    assert early.startswith("clock fault: 3 records")
    assert early.endswith("by up to 900 ns")
    assert before.startswith(f"clock fault: {len(many) - 1:,} of")
