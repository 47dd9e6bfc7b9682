# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make ring buffers: alone, to examine their memory, or for a program to fill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import psutil

from bench.amounts import size
from bench.linux import bpf
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import Reader
from bench.record.footprint import ringbuf_footprint, ringbuf_mapped_bytes
from bench.tracer import buffers, libbcc, libbpf_reader
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import Allocation, BufferRequest, Opened

if TYPE_CHECKING:
    from bench.tracer.transports.ringbuf import Ringbuf


@contextmanager
def allocated(way: Ringbuf, request: BufferRequest) -> Iterator[Allocation]:
    """Make the rings alone.

    UsageError for a size that no ring can have, KernelRefused if there is no memory for it.
    """
    sizes, fds = way.slots(request).values(), list[int]()
    with ExitStack() as stack:
        for size_bytes in sizes:
            budgets.check(size_bytes, memory_bytes=psutil.virtual_memory().available)
            made = buffers.make_map(
                bpf.RINGBUF, f"ring buffer of {size(size_bytes)}", stack, entries=size_bytes,
                name="ring", flags=way.flags, smaller="take a smaller budget, or free memory",
            )  # fmt: skip
            fds.append(made)

        def map_all() -> None:
            for fd, size_bytes in zip(fds, sizes, strict=True):
                # The consumer may write its own position, and nothing else.
                buffers.touch(buffers.mapped(fd, PAGE_BYTES, stack, writable=True))
                whole = PAGE_BYTES + 2 * size_bytes
                buffers.touch(buffers.mapped(fd, whole, stack, offset=PAGE_BYTES))

        yield Allocation(
            footprint=ringbuf_footprint(sum(sizes), rings=len(fds)),
            mapped_bytes=ringbuf_mapped_bytes(sum(sizes), rings=len(fds)),
            map_fds=tuple(fds),
            map=map_all,
        )


@contextmanager
def opened(
    way: Ringbuf, program: Program, capture: Capture, request: BufferRequest
) -> Iterator[Opened]:
    """Open the rings in the program's array of maps."""
    slots, config, consumer = way.slots(request), request.config, request.config.consumer
    array, first = program.map_fd("rings"), capture.buffer_count
    with allocated(way, request) as made, ExitStack() as stack:
        fds = made.map_fds
        for (shared, size_bytes), fd in zip(slots.items(), fds, strict=True):
            for slot in shared:
                buffers.put(array, slot, fd, stack)
            if consumer.reader is Reader.NATIVE:
                capture.add_ring(
                    fd, size_bytes, config.lazy_reader, config.whole_reader, way.overwrites
                )
        if consumer.reader.of_library:
            of = {Reader.LIBBCC: libbcc, Reader.LIBBPF: libbpf_reader}[consumer.reader]
            drain = stack.enter_context(of.ring_reader(fds, capture, consumer))
        else:
            drain = buffers.drain(fds, max(slots.values()), capture, consumer, stack, rings=True)
        end = capture.buffer_count
        yield Opened(
            footprint=made.footprint,
            map_fds=fds,
            drain=drain,
            overwritten_bytes=lambda: (
                capture.overwritten_bytes(first, end) if way.overwrites else None
            ),
        )
