# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Observe the consuming thread by tracepoints: count its system calls, time its wake-ups."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.linux import perf_event, procfs, tracefs
from bench.tracer.build import Build
from bench.tracer.program import Program

COUNTER: Final = Build(variant="syscalls", name="count", tracepoint="raw_syscalls:sys_enter")
"""A program that counts the system calls of one thread."""

_WAKING: Final = "sched:sched_waking"
_DATA_BYTES: Final = 128 * 1024  # 8,192 samples on each CPU
_HEAD: Final = 1024  # offset within perf_event_mmap_page
_SAMPLE: Final = struct.Struct("=IHHQ")  # header, then the time
_SAMPLE_TYPE: Final = 9

Times = tuple[int, ...]


def known_by_number() -> bool:
    """Return whether the kernel's events use the same thread numbers as this process.

    They are those of the initial PID namespace.
    """
    return procfs.namespace("pid") in (None, procfs.INITIAL_PID_NAMESPACE)


def count_calls(counter: Program, thread_id: int) -> None:
    """Count a thread's calls from zero; ``counter`` is not yet attached."""
    counter.zero("calls", 0, 8)
    counter.set("thread", 0, struct.pack("=I", thread_id))


def calls(counter: Program) -> int:
    """Return the calls made while ``counter`` was attached."""
    return counter.total("calls")


@contextmanager
def wakes(thread_id: int, cpus: Iterable[int]) -> Iterator[Callable[[], Times | None]]:
    """Note each wake-up of a thread; call the result for the times, in ns and in order.

    It returns None if the kernel does not permit this, or if not all fitted in.

    A BPF program could not do this: the kernel skips those on a CPU that already runs one, and a
    ring buffer's wake-up is an interrupt of the very program that raised it. Wake-ups of perf
    buffers are not seen: the kernel keeps events like this one quiet while it raises them.
    """
    with ExitStack() as stack:
        try:
            number = tracefs.number(_WAKING)
            buffers = [_buffer(number, thread_id, cpu, stack) for cpu in cpus]
        except OSError:
            yield lambda: None
        else:
            yield lambda: _times(buffers)


def _buffer(number: int, thread_id: int, cpu: int, stack: ExitStack) -> mmap.mmap:
    event = perf_event.open_sampler(number, cpu)
    stack.callback(os.close, event)
    mapped = stack.enter_context(mmap.mmap(event, mmap.PAGESIZE + _DATA_BYTES))
    perf_event.keep_to(event, f"pid == {thread_id}")
    return mapped


def _times(buffers: Iterable[mmap.mmap]) -> Times | None:
    found: list[int] = []
    for buffer in buffers:
        (head,) = struct.unpack_from("=Q", buffer, _HEAD)
        for start in range(0, head, _SAMPLE.size):
            kind, _, size, time_ns = _SAMPLE.unpack_from(buffer, mmap.PAGESIZE + start)
            if kind != _SAMPLE_TYPE or size != _SAMPLE.size:
                return None
            found.append(time_ns)
        if head + _SAMPLE.size > _DATA_BYTES:
            return None
    return tuple(sorted(found))
