# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A batch has an end, however fast an object sends."""

from __future__ import annotations

import ctypes as ct
from errno import ECANCELED

from bench.tracer.object.loaded import Buffers


def test_a_full_batch_stops_the_ring_and_the_next_begins_empty() -> None:
    record, found = ct.create_string_buffer(b"abc"), Buffers()
    for _ in range(2):
        answers = [found.on_sample(None, ct.addressof(record), 3) for _ in range(4_096)]
        assert answers == [*[0] * 4_095, -ECANCELED]
        assert found.batch(0) == [b"abc"] * 4_096
    assert (found.delivered, found.lost) == (8_192, 0)


def test_perf_buffers_report_what_they_lost() -> None:
    record, found = ct.create_string_buffer(b"abc"), Buffers()
    found.on_perf(None, 1, ct.addressof(record), 2)
    found.on_lost(None, 1, 7)
    found.on_lost(None, 0, 3)
    assert found.batch(0) == [b"ab"]
    assert (found.delivered, found.lost) == (1, 10)
