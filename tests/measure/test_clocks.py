# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import made_up
import pytest

from bench.measure import clocks
from bench.record.records import Flag, Records
from workloads.storm import StormReport


@pytest.fixture
def records() -> Records:
    return made_up.trial(400).records


def storm(records: Records, *, begun_ns: int = 0) -> StormReport:
    start_ns = int(records["timestamp_ns"].min()) + begun_ns
    return StormReport(made=1, reaped=1, start_ns=start_ns, end_ns=start_ns + 10**9)


def test_a_record_comes_after_its_timestamp_and_the_storm_s_beginning(records: Records) -> None:
    assert clocks.faults(records, storm(records)) == ()
    assert clocks.faults(records[:0], storm(records)) == ()


@pytest.mark.parametrize("offset_ns", [1, 90 * 10**9])
def test_a_delivery_before_the_timestamp_is_a_fault(records: Records, offset_ns: int) -> None:
    records["delivered_ns"][7] = records["timestamp_ns"][7] - offset_ns
    (fault,) = clocks.faults(records, storm(records))
    assert fault.startswith("clock fault: 1 records were delivered")
    assert f"by up to {offset_ns:,} ns" in fault


def test_an_exit_before_the_storm_began_is_a_fault_if_it_is_the_storm_s(records: Records) -> None:
    late = storm(records, begun_ns=1)
    (fault,) = clocks.faults(records, late)
    assert fault == "clock fault: 1 of the storm's processes exited before it began"
    records["flags"] &= ~int(Flag.OWN) & 0xFFFF
    assert clocks.faults(records, late) == ()
