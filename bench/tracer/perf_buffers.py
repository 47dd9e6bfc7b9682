# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make one perf buffer for each CPU: alone, to examine their memory, or for a program to fill."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from bench.errors import KernelRefused
from bench.linux import bpf, procfs
from bench.linux.pages import PAGE_BYTES
from bench.plan.config import Reader
from bench.record.footprint import perfbuf_footprint, perfbuf_mapped_bytes
from bench.tracer import buffers, libbcc, libbpf_reader
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import Allocation, BufferRequest, Opened, Transport


@contextmanager
def allocated(_way: Transport, request: BufferRequest) -> Iterator[Allocation]:
    """Make the buffers alone, in an array of events; KernelRefused."""
    pages, cpus, producer = request.pages_per_cpu(), request.cpus, request.config.producer
    views: list[mmap.mmap] = []
    with ExitStack() as stack:
        array = buffers.make_map(
            bpf.PERF_EVENT_ARRAY, "array of events", stack, entries=cpus[-1] + 1, name="perf"
        )

        def map_event(event: int) -> None:
            views.append(buffers.mapped(event, (pages + 1) * PAGE_BYTES, stack, writable=True))

        for cpu in cpus:
            event = buffers.perf_buffer(cpu, pages, producer, stack, map_event)
            buffers.put(array, cpu, event, stack)
        yield Allocation(
            footprint=perfbuf_footprint(pages, cpus=len(cpus)),
            mapped_bytes=perfbuf_mapped_bytes(pages, cpus=len(cpus)),
            map_fds=(array,),
            map=lambda: [*map(buffers.touch, views)],
        )


@contextmanager
def opened(
    _way: Transport, program: Program, capture: Capture, request: BufferRequest
) -> Iterator[Opened]:
    """Open a buffer for each CPU: equal shares of the budget, as large on unused CPUs."""
    pages, array = request.pages_per_cpu(), program.map_fd("events")
    by_libbpf = request.config.consumer.reader is Reader.LIBBPF  # which makes the buffers itself
    opening = libbpf_reader.perf_reader if by_libbpf else _each
    with opening(array, pages, capture, request) as (events, drain):

        def counts() -> dict[str, int]:
            found = {
                "PERF_RECORD_LOST": capture.lost_reported,
                "PERF_FORMAT_LOST": buffers.lost(events),
            }
            return {name: int(count) for name, count in found.items() if count is not None}

        yield Opened(
            footprint=perfbuf_footprint(pages, cpus=len(events)),
            map_fds=(array,),
            drain=drain,
            lost_told=counts,
        )


@contextmanager
def _each(
    array: int, pages: int, capture: Capture, request: BufferRequest
) -> Iterator[tuple[Sequence[int], Callable[[], None]]]:
    """Make each CPU's buffer and put it into ``array``; yield the events and the drain."""
    data_bytes, config, consumer = pages * PAGE_BYTES, request.config, request.config.consumer
    events, handles = list[int](), list[int]()

    def map_event(event: int) -> None:
        if consumer.reader is Reader.NATIVE:
            capture.add_perf(event, data_bytes, config.lazy_reader, config.whole_reader)

    with ExitStack() as stack:
        for cpu in request.cpus:
            try:
                if consumer.reader is not Reader.LIBBCC:
                    event = buffers.perf_buffer(cpu, pages, config.producer, stack, map_event)
                else:
                    reader = libbcc.perf_reader(cpu, pages, config.producer, capture)
                    event, handle = stack.enter_context(reader)
                    handles.append(handle)
            except KernelRefused as error:
                gone = getattr(error.__cause__, "errno", None) == errno.ENODEV
                if gone or cpu not in procfs.online_cpus():
                    continue  # if it comes back, its exits are dropped and counted
                raise
            events.append(event)
            buffers.put(array, cpu, event, stack)
        if consumer.reader is Reader.LIBBCC:
            drain = libbcc.perf_drain(handles, capture, consumer)
        else:
            drain = buffers.drain(events, data_bytes, capture, consumer, stack, rings=False)
        yield events, drain
