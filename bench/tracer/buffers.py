# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the buffers of transports: alone, to examine their memory, or for a program to fill."""

from __future__ import annotations

import errno
import mmap
import os
import struct
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import psutil

from bench.amounts import counted, size
from bench.errors import KernelRefused
from bench.linux import bpf, perf_event, procfs, refusal
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import Producer, Reader, Wake
from bench.record.footprint import (
    perfbuf_footprint,
    perfbuf_mapped_bytes,
    ringbuf_footprint,
    ringbuf_mapped_bytes,
)
from bench.tracer import consumer, libbcc, outside
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import Allocation, Opened, Request

MAPPINGS: Final = frozenset({"anon_inode:bpf-map", "anon_inode:[perf_event]"})
"""Names of the buffers' mappings in /proc/self/smaps."""

_SMALLER: Final = "take a smaller budget, raise kernel.perf_event_mlock_kb, or grant CAP_IPC_LOCK"
_FOR_SIZE: Final = (errno.EPERM, errno.ENOMEM, errno.EINVAL)  # of mmap(2), of so many pages


@contextmanager
def rings(sizes: Collection[int], flags: int = 0) -> Iterator[Allocation]:
    """Make rings of these data bytes alone, with ``flags`` of map creation.

    UsageError for a size that no ring can have, KernelRefused where there is no room for it.
    """
    with ExitStack() as stack:
        fds = [_ring(size_bytes, flags, stack) for size_bytes in sizes]

        def map_all() -> None:
            for fd, size_bytes in zip(fds, sizes, strict=True):
                # The consumer may write its own position, and nothing else.
                _touch(_mapped(fd, PAGE_BYTES, stack, writable=True))
                _touch(_mapped(fd, PAGE_BYTES + 2 * size_bytes, stack, offset=PAGE_BYTES))

        yield Allocation(
            footprint=ringbuf_footprint(sum(sizes), rings=len(fds)),
            mapped_bytes=ringbuf_mapped_bytes(sum(sizes), rings=len(fds)),
            map_fds=tuple(fds),
            map=map_all,
        )


@contextmanager
def opened_rings(
    program: Program,
    capture: Capture,
    request: Request,
    slots: Mapping[tuple[int, ...], int],
    *,
    flags: int = 0,
    overwrites: bool = False,
) -> Iterator[Opened]:
    """Open rings of the data bytes of each of ``slots`` in the program's array of maps."""
    array, first = program.map_fd("rings"), capture.buffer_count
    with rings(slots.values(), flags) as made, ExitStack() as stack:
        fds = made.map_fds
        for shared, fd in zip(slots, fds, strict=True):
            for slot in shared:
                _put(array, slot, fd, stack)
        if request.consumer.reader is Reader.LIBBCC:
            drain = stack.enter_context(libbcc.ring_reader(fds, capture, request.consumer))
        elif request.consumer.reader is Reader.COMMAND:
            (each_bytes,) = {*slots.values()}
            drain = stack.enter_context(
                outside.reader(fds, each_bytes, capture, request.consumer, rings=True)
            )
        else:
            for fd, size_bytes in zip(fds, slots.values(), strict=True):
                capture.add_ring(fd, size_bytes, request.lazy_reader, overwrites)
            stack.callback(capture.unmap)
            drain = consumer.reader(capture, request.consumer)
        end = capture.buffer_count
        yield Opened(
            footprint=made.footprint,
            map_fds=fds,
            drain=drain,
            overwritten_bytes=lambda: capture.overwritten_bytes(first, end) if overwrites else None,
        )


@contextmanager
def perf_buffers(request: Request) -> Iterator[Allocation]:
    """Make the buffers alone, in an array of events; KernelRefused."""
    pages, cpus = request.pages_per_cpu(), len(request.cpus)
    with ExitStack() as stack:
        array = bpf.create_map(
            bpf.PERF_EVENT_ARRAY, key_bytes=4, value_bytes=4, entries=request.cpus[-1] + 1,
            name="bufbench_perf",
        )  # fmt: skip
        stack.callback(os.close, array)
        views: list[mmap.mmap] = []

        def map_event(event: int) -> None:
            views.append(_mapped(event, (pages + 1) * PAGE_BYTES, stack, writable=True))

        def read_all() -> None:
            for view in views:
                _touch(view)

        for cpu in request.cpus:
            _put(array, cpu, _perf_buffer(cpu, pages, request.producer, stack, map_event), stack)

        yield Allocation(
            footprint=perfbuf_footprint(pages, cpus=cpus),
            mapped_bytes=perfbuf_mapped_bytes(pages, cpus=cpus),
            map_fds=(array,),
            map=read_all,
        )


@contextmanager
def opened_perf_buffers(program: Program, capture: Capture, request: Request) -> Iterator[Opened]:
    """Open a buffer of an equal share of the budget for each CPU, as large for the others."""
    pages, array = request.pages_per_cpu(), program.map_fd("events")
    events, handles = list[int](), list[int]()
    reader = request.consumer.reader

    def map_event(event: int) -> None:
        if reader is Reader.NATIVE:
            capture.add_perf(event, pages * PAGE_BYTES, request.lazy_reader)

    with ExitStack() as stack:
        for cpu in request.cpus:
            try:
                if reader is not Reader.LIBBCC:
                    event = _perf_buffer(cpu, pages, request.producer, stack, map_event)
                else:
                    event, handle = stack.enter_context(
                        libbcc.perf_reader(cpu, pages, request.producer, capture)
                    )
                    handles.append(handle)
            except KernelRefused as error:
                if _gone(cpu, error):
                    continue  # if it comes back, its exits are dropped and counted
                raise
            events.append(event)
            _put(array, cpu, event, stack)
        if reader is Reader.NATIVE:
            stack.callback(capture.unmap)
            drain = consumer.reader(capture, request.consumer)
        elif reader is Reader.COMMAND:
            drain = stack.enter_context(
                outside.reader(events, pages * PAGE_BYTES, capture, request.consumer, rings=False)
            )
        else:
            drain = libbcc.perf_drain(handles, capture, request.consumer)
        yield Opened(
            footprint=perfbuf_footprint(pages, cpus=len(events)),
            map_fds=(array,),
            drain=drain,
            lost_told=lambda: _lost(events, capture),
        )


def _ring(data_bytes: int, flags: int, stack: ExitStack) -> int:
    """Make one ring buffer; return its map's descriptor, which ``stack`` closes."""
    budgets.check(data_bytes, memory_bytes=psutil.virtual_memory().available)
    try:
        fd = bpf.create_map(
            bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=data_bytes, name="bufbench_ring",
            flags=flags,
        )  # fmt: skip
    except OSError as error:
        raise refusal.refused(
            f"the kernel gives no ring buffer of {size(data_bytes)}", error,
            remedy="take a smaller budget, or free memory" if error.errno == errno.ENOMEM else "",
        ) from error  # fmt: skip
    stack.callback(os.close, fd)
    return fd


def _perf_buffer(
    cpu: int, pages: int, producer: Producer, stack: ExitStack, map_event: Callable[[int], None]
) -> int:
    """Make a CPU's buffer; return its event. Adaptive wake-ups, which it lacks, are as forced."""
    wake = producer.wake
    every = producer.watermark if wake in (Wake.WATERMARK, Wake.BYTES) else 1
    try:
        event = perf_event.open_output(
            cpu,
            wake_every=None if wake is Wake.NONE else every,
            in_bytes=wake is Wake.BYTES,
        )
    except OSError as error:
        raise refusal.refused(f"the kernel gives no perf event on CPU {cpu}", error) from error
    stack.callback(os.close, event)
    try:
        map_event(event)
    except OSError as error:
        raise refusal.refused(
            f"the kernel gives no perf buffer of {counted(pages, 'page')} on CPU {cpu}", error,
            remedy=_SMALLER if error.errno in _FOR_SIZE else "",
        ) from error  # fmt: skip
    return event


def _gone(cpu: int, error: KernelRefused) -> bool:
    """Return whether the CPU, online when the run began, has gone."""
    cause = error.__cause__
    refused = isinstance(cause, OSError) and cause.errno == errno.ENODEV
    return refused or cpu not in procfs.online_cpus()


def _lost(events: list[int], capture: Capture) -> dict[str, int]:
    lost = {"PERF_RECORD_LOST": int(capture.lost_reported)}
    exact = [count for count in map(perf_event.lost, events) if count is not None]
    return lost | ({"PERF_FORMAT_LOST": sum(exact)} if len(exact) == len(events) else {})


def _put(array: int, slot: int, descriptor: int, stack: ExitStack) -> None:
    """Set one element of an array of maps or events until ``stack`` is left."""
    key = struct.pack("=I", slot)
    bpf.update(array, key, struct.pack("=I", descriptor))
    stack.callback(bpf.delete, array, key)


def _mapped(
    fd: int, length: int, stack: ExitStack, *, writable: bool = False, offset: int = 0
) -> mmap.mmap:
    """Map ``length`` bytes of a buffer until ``stack`` is left; OSError."""
    prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    view = mmap.mmap(fd, length, flags=mmap.MAP_SHARED, prot=prot, offset=offset)
    stack.callback(view.close)
    return view


def _touch(view: mmap.mmap) -> None:
    """Read a byte of every page: some kernels map perf pages only as they are read."""
    for at in range(0, len(view), mmap.PAGESIZE):
        view[at]
