# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Footprints worked out by hand from the kernel's allocations."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.measure.memory import perfbuf_footprint, ringbuf_footprint


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


def test_larger_pages():
    assert ringbuf_footprint(64 << 10, page_bytes=65_536).page_bytes == 4 * 65_536


@pytest.mark.parametrize("data_bytes", [0, -4096, 1, 4095, 3 * 4096, 6 * 4096])
def test_a_ring_that_the_kernel_would_refuse(data_bytes):
    with pytest.raises(UsageError, match="power of two"):
        ringbuf_footprint(data_bytes)


def test_shards_that_do_not_divide():
    with pytest.raises(UsageError, match="3 rings"):
        ringbuf_footprint(64 << 10, rings=3)
    with pytest.raises(UsageError, match="0 rings"):
        ringbuf_footprint(64 << 10, rings=0)


@pytest.mark.parametrize(("pages", "cpus"), [(0, 2), (3, 2), (-1, 2), (8, 0)])
def test_perf_buffers_that_cannot_be(pages, cpus):
    with pytest.raises(UsageError):
        perfbuf_footprint(pages, cpus=cpus)
