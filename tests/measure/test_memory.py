# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test footprints worked out by hand from the kernel's allocations."""

from __future__ import annotations

from bench.record.footprint import (
    MemoryLine,
    perfbuf_footprint,
    perfbuf_mapped_bytes,
    ringbuf_footprint,
    ringbuf_mapped_bytes,
)


def test_a_ring_of_64_kib():
    footprint = ringbuf_footprint(64 << 10)
    assert footprint.data_bytes == 65_536
    assert footprint.page_bytes == 19 * 4096  # 16 of data, 3 of its own
    assert footprint.bookkeeping_bytes == 8 * 35  # 3 + 2 x 16 pointers
    assert footprint.physical_bytes == 78_104


def test_perf_buffers_of_64_kib_on_two_cpus():
    footprint = perfbuf_footprint(8, cpus=2)
    assert footprint.data_bytes == 65_536
    assert footprint.page_bytes == 2 * 9 * 4096
    assert footprint.bookkeeping_bytes == 2 * 8 * 8
    assert footprint.physical_bytes == 73_856


def test_shards_share_the_data_and_pay_three_pages_each():
    one, four = ringbuf_footprint(64 << 10), ringbuf_footprint(64 << 10, rings=4)
    assert four.data_bytes == one.data_bytes
    assert four.page_bytes - one.page_bytes == 3 * 3 * 4096
    assert four.bookkeeping_bytes - one.bookkeeping_bytes == 3 * 3 * 8


def test_one_cpu_is_enough():
    assert perfbuf_footprint(1, cpus=1).physical_bytes == 2 * 4096 + 8


def test_mappings_hold_a_ring_s_data_twice_and_perf_s_once():
    # A ring: consumer's page, producer's page, data, data. Perf: head's page and data, per CPU.
    assert ringbuf_mapped_bytes(64 << 10) == 4096 + 4096 + 2 * 65_536
    assert ringbuf_mapped_bytes(64 << 10, rings=4) == 4 * 2 * 4096 + 2 * 65_536
    assert perfbuf_mapped_bytes(8, cpus=2) == 18 * 4096


def test_what_no_instrument_reported_is_unknown_and_not_zero():
    line = MemoryLine(
        transport="ringbuf", budget_bytes=4096, data_bytes=4096, cpus=2, page_size_bytes=4096
    )
    assert line.copies == 0
    assert line.untold == {}
    names = (
        "footprint mapped_formula_bytes mapped_bytes mapped_rss_bytes rss_bytes pinned_bytes"
        " locked_bytes memlock_bytes memcg_bytes free_bytes"
    )
    assert {getattr(line, name) for name in names.split()} == {None}
