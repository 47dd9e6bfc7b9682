# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the sampler on memory laid out like a ring buffer, whose positions the test moves."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from bench.linux.pages import PAGE_BYTES
from bench.tracer.sampler import Sampler

Produce = Callable[[int], None]


@pytest.fixture
def ring() -> Iterator[tuple[int, Produce]]:
    """Return a file of two pages of positions and two of data, and how to move the producer."""
    file = os.memfd_create("ring", os.MFD_CLOEXEC)
    os.truncate(file, 4 * PAGE_BYTES)
    with mmap.mmap(file, 4 * PAGE_BYTES) as pages:

        def produce(position: int) -> None:
            struct.pack_into("=Q", pages, PAGE_BYTES, position)

        yield file, produce
    os.close(file)


def sample(sampler: Sampler, seconds: float) -> None:
    until_ns = time.monotonic_ns() + round(seconds * 1e9)
    sampler.run(interval_ns=10_000_000, until_ns=until_ns)


def test_a_long_stop_needs_bins_many_times_as_long(ring: tuple[int, Produce]) -> None:
    file, produce = ring
    sampler = Sampler()
    place = sampler.add_ring(file, PAGE_BYTES)
    sampler.bin_ns = 1_000  # in place of 10 ms: 8,192 of them end in 8 ms, not in 82 s
    sample(sampler, 0.005)
    time.sleep(0.2)  # as between Ctrl-Z and fg
    produce(1 << 20)
    sample(sampler, 0.02)
    bin_ns, written, _ = sampler.bins(place)
    assert bin_ns >= 0.2e9 / 8_192
    assert sum(written) == 1 << 20


def test_the_peak_rate_is_over_the_time_in_which_bytes_came(ring: tuple[int, Produce]) -> None:
    file, produce = ring
    sampler = Sampler()
    place, begun_s = sampler.add_ring(file, PAGE_BYTES), time.monotonic()
    time.sleep(1.0)
    produce(1 << 20)
    sample(sampler, 0.25)
    seen = sampler.seen(place)
    assert seen.produced_bytes == 1 << 20
    assert 0 < seen.peak_bytes_per_s <= (1 << 20) / 1.0
    assert seen.peak_bytes_per_s >= (1 << 20) / (time.monotonic() - begun_s)
