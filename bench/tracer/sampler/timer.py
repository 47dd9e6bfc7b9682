# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sample ring buffers in the kernel, by a BPF program that a timer runs.

A thread that is woken a thousand times a second takes more than 1 % of a CPU in a virtual machine.
The program writes the positions of all rings to its own ring, which the sampler's thread reads a
few times a second. It wakes the thread earlier when half a ring has been written since the thread
last counted the ring's records: they have to be counted before they are overwritten.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.linux import bpf, perf_event
from bench.linux.bpf import Instruction
from bench.linux.pages import PAGE_BYTES
from bench.tracer import kernel_clock
from bench.tracer.sampler.sampler import LOOK_NS, Sampler

_MOST_RINGS: Final = 62  # of a program, besides its own two maps: MAX_USED_MAPS
_ROOM: Final = 4  # looks whose samples have room, if the thread is late

_KTIME, _RESERVE, _SUBMIT, _QUERY = 5, 131, 132, 134
_CONSUMED, _PRODUCED = 2, 3  # BPF_RB_CONS_POS, BPF_RB_PROD_POS
_NO_WAKEUP, _WAKEUP = 1, 2


@dataclass(frozen=True, slots=True)
class Ring:
    """Hold a ring that the sampler has mapped."""

    place: int  # in the sampler
    map: int  # its number
    size_bytes: int


@contextmanager
def running(sampler: Sampler, rings: Sequence[Ring], interval_ns: int) -> Iterator[None]:
    """Make the kernel sample ``rings``, at least one, every ``interval_ns`` in the context.

    OSError if the kernel refuses the program or the timer.
    """
    with ExitStack() as stack:

        def own(descriptor: int) -> int:
            stack.callback(os.close, descriptor)
            return descriptor

        parts = [rings[at : at + _MOST_RINGS] for at in range(0, len(rings), _MOST_RINGS)]
        look_bytes = (LOOK_NS // interval_ns + 1) * sum(8 + _sample_bytes(len(p)) for p in parts)
        samples_bytes = max(PAGE_BYTES, 1 << (_ROOM * look_bytes - 1).bit_length())
        samples = own(_map(bpf.RINGBUF, entries=samples_bytes))
        counted_bytes = 8 * (1 + max(ring.place for ring in rings))
        counted = own(
            _map(bpf.ARRAY, entries=1, key_bytes=4, value_bytes=counted_bytes, flags=bpf.MMAPABLE)
        )
        shared = memoryview(mmap.mmap(counted, counted_bytes)).cast("Q")
        sampler.follow(samples, samples_bytes, shared, kernel_clock.look().here_ns)
        for part in parts:
            program = own(_loaded(samples, counted, part))
            # Where the last of two CPUs was idle, it ran the program 11 times instead of 3,000; the
            # first ran it 2,999 times, idle or not.
            own(perf_event.open_timer(min(os.sched_getaffinity(0)), interval_ns, program))
        for ring in rings:
            sampler.by_kernel(ring.place)
        yield


_map = partial(bpf.create_map, name="bufbench_watch", key_bytes=0, value_bytes=0)


def _loaded(samples: int, counted: int, rings: Sequence[Ring]) -> int:
    with ExitStack() as stack:
        maps = [stack.enter_context(bpf.opened_map(ring.map)) for ring in rings]
        code = _program(samples, counted, [*zip(maps, rings, strict=True)])
        return bpf.load(bpf.PERF_EVENT, [*code])


def _sample_bytes(rings: int) -> int:
    return 8 + 24 * rings  # the time; of each ring its place in the sampler, and both positions


def _program(
    samples: int, counted: int, rings: Sequence[tuple[int, Ring]]
) -> Iterator[Instruction]:
    """Yield a program that writes a sample: the time; place and positions of each ring."""
    yield from _load(1, samples)
    yield (0xB7, 2, 0, _sample_bytes(len(rings)))  # r2 = its length
    yield (0xB7, 3, 0, 0)  # r3 = 0
    yield (0x85, 0, 0, _RESERVE)
    yield (0x55, 0, 2, 0)  # if r0 != 0, go on
    yield (0xB7, 0, 0, 0)  # r0 = 0
    yield (0x95, 0, 0, 0)  # exit
    yield (0xBF, 0x07, 0, 0)  # r7 = r0, the sample
    yield (0xB7, 8, 0, _NO_WAKEUP)  # r8 = flags
    yield (0x85, 0, 0, _KTIME)
    yield (0x7B, 0x07, 0, 0)  # *(u64 *)r7 = r0
    for index, (descriptor, ring) in enumerate(rings):
        at = _sample_bytes(index)
        yield (0x7A, 7, at, ring.place)  # *(u64 *)(r7 + at) = the place
        # The consumer's position first: the producer's never falls behind it.
        for offset, which in ((8, _CONSUMED), (16, _PRODUCED)):
            yield from _load(1, descriptor)
            yield (0xB7, 2, 0, which)  # r2 = which
            yield (0x85, 0, 0, _QUERY)
            yield (0x7B, 0x07, at + offset, 0)  # *(u64 *)(r7 + at + offset) = r0
        yield (0x18, 0x21, 0, counted)  # r1 = the array's value, by BPF_PSEUDO_MAP_VALUE
        yield (0x00, 0, 0, 8 * ring.place)  # its upper half: an offset
        yield (0x79, 0x11, 0, 0)  # r1 = *(u64 *)r1, up to where records are counted
        yield (0x1F, 0x10, 0, 0)  # r0 -= r1
        yield (0xA5, 0, 1, ring.size_bytes // 2)  # if r0 < half the ring, skip
        yield (0xB7, 8, 0, _WAKEUP)  # r8 = flags
    yield (0xBF, 0x71, 0, 0)  # r1 = r7
    yield (0xBF, 0x82, 0, 0)  # r2 = r8
    yield (0x85, 0, 0, _SUBMIT)
    yield (0xB7, 0, 0, 0)  # r0 = 0
    yield (0x95, 0, 0, 0)  # exit


def _load(register: int, descriptor: int) -> Iterator[Instruction]:
    """Yield a wide load of a map, by BPF_PSEUDO_MAP_FD."""
    yield (0x18, 0x10 | register, 0, descriptor)
    yield (0x00, 0, 0, 0)
