# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test rings that the kernel samples: how often, exactly, and that records are counted in time."""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from threading import Thread

import pytest
from interference import busy
from tracing import eventually

from bench.linux import bpf, perf_event
from bench.linux.pages import PAGE_BYTES
from bench.tracer.sampler import Sampler, timer
from bench.tracer.sampler.timer import Ring

pytestmark = pytest.mark.live

RING_BYTES = 4096
RECORD_BYTES = 64
DATA_BYTES = RECORD_BYTES - 8  # without its header


def counted(sampler: Sampler, records: int) -> bool:
    return sampler.seen(0).records == records


class Produced:
    """Write and read a ring in this process, a record at a time."""

    def __init__(self, stack: ExitStack) -> None:
        self.map = bpf.create_map(
            bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=RING_BYTES, name="produced"
        )
        stack.callback(os.close, self.map)
        self._program = bpf.load(bpf.SOCKET_FILTER, self._output())
        stack.callback(os.close, self._program)
        self._consumed = stack.enter_context(mmap.mmap(self.map, PAGE_BYTES))
        self._produced = 0

    def produce(self, records: int) -> None:
        for _ in range(records):
            bpf.run_once(self._program)
        self._produced += records * RECORD_BYTES

    def read_all(self) -> None:
        struct.pack_into("=Q", self._consumed, 0, self._produced)

    def _output(self) -> list[bpf.Instruction]:
        return [
            *((0x7A, 10, -at, 0) for at in range(8, DATA_BYTES + 1, 8)),  # zeros on the stack
            (0x18, 0x11, 0, self.map),
            (0, 0, 0, 0),
            (0xBF, 0xA2, 0, 0),  # r2 = r10
            (0x07, 2, 0, -DATA_BYTES),
            (0xB7, 3, 0, DATA_BYTES),
            (0xB7, 4, 0, 0),
            (0x85, 0, 0, 130),  # bpf_ringbuf_output()
            (0xB7, 0, 0, 0),
            (0x95, 0, 0, 0),
        ]


class Unread:
    """Sample one ring that holds two records, which nobody reads."""

    def __init__(self, stack: ExitStack) -> None:
        ring = Produced(stack)
        ring.produce(2)
        self.sampler = Sampler()
        self._place = self.sampler.add_ring(ring.map, RING_BYTES)
        self.ring = Ring(self._place, bpf.map_info(ring.map).id, RING_BYTES)

    def check_by_thread(self, seconds: float) -> None:
        until_ns = time.monotonic_ns() + int(seconds * 1e9)
        self.sampler.run(interval_ns=1_000_000, until_ns=until_ns)
        assert self.sampler.seen(self._place).samples > 10
        assert self.sampler.seen(self._place).used_bytes == 2 * RECORD_BYTES


@contextmanager
def sampled(maps: list[int], interval_ns: int = 1_000_000) -> Iterator[Sampler]:
    """Sample rings in the kernel, and read the samples in a thread."""
    sampler = Sampler()
    places = [sampler.add_ring(each, RING_BYTES) for each in maps]
    rings = [
        Ring(place, bpf.map_info(each).id, RING_BYTES)
        for place, each in zip(places, maps, strict=True)
    ]
    with timer.running(sampler, rings, interval_ns):
        thread = Thread(target=sampler.run, kwargs={"interval_ns": interval_ns, "until_ns": 2**63})
        thread.start()
        try:
            yield sampler
        finally:
            sampler.stop()
            thread.join()


def test_more_rings_than_a_program_may_have_maps() -> None:
    with ExitStack() as stack:
        rings = [Produced(stack) for _ in range(130)]
        with sampled([each.map for each in rings]) as sampler:
            for records, each in enumerate(rings[::43]):
                each.produce(records)
            # Within a second, or where the kernel's samples are rare a little later.
            assert eventually(
                lambda: all(sampler.seen(place).samples > 10 for place in range(len(rings)))
            )
            time.sleep(0.3)
    found = [sampler.seen(place) for place in range(len(rings))]
    assert [each.used_bytes // RECORD_BYTES for each in found[::43]] == [0, 1, 2, 3]
    assert sum(each.records for each in found) == 0 + 1 + 2 + 3
    assert all(each.samples > 10 for each in found)
    assert all(each.absence_ns > 100e6 for each in found[43::43])


def test_a_refused_timer_leaves_the_rings_to_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(perf_event, "open_timer", refuse)
    with ExitStack() as stack:
        unread = Unread(stack)
        with (
            pytest.raises(PermissionError),
            timer.running(unread.sampler, [unread.ring], 1_000_000),
        ):
            pass
        unread.check_by_thread(1.0)


def test_samples_that_are_rare_leave_the_rings_to_the_thread() -> None:
    with ExitStack() as stack:
        unread = Unread(stack)
        with timer.running(unread.sampler, [unread.ring], 1_000_000_000):
            unread.check_by_thread(1.5)


def test_half_a_ring_wakes_the_thread() -> None:
    half, taken_s = RING_BYTES // RECORD_BYTES // 2, []
    with ExitStack() as stack:
        # An idle CPU of a virtual machine may run timers rarely.
        stack.enter_context(busy(min(os.sched_getaffinity(0))))
        ring = Produced(stack)
        with sampled([ring.map]) as sampler:
            for turn in range(1, 21):
                begun_s = time.monotonic()
                ring.produce(half)
                assert eventually(partial(counted, sampler, turn * half))
                taken_s.append(time.monotonic() - begun_s)
                ring.read_all()
    assert sampler.seen(0).uncounted_bytes == 0
    assert median(taken_s) < 0.05  # else samples are read every 0.1 s
