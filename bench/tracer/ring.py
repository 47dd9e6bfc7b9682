# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Ring buffers in the program's array of maps, read by bufbench's reader or libbpf's."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import psutil

from bench.linux import bpf
from bench.plan import budgets
from bench.plan.config import Reader
from bench.record.footprint import ringbuf_footprint
from bench.tracer import allocation, libbcc, native
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import Opened, Request


@contextmanager
def opened(
    program: Program, capture: Capture, request: Request, slots: Sequence[tuple[int, int]]
) -> Iterator[Opened]:
    """Open rings for ``slots`` (slot of the array, data bytes).

    UsageError for a size that no ring can have, KernelRefused where the kernel has no room for it.
    """
    array = program.map_fd("rings")
    with ExitStack() as stack:
        fds = []
        for slot, data_bytes in slots:
            budgets.check(
                data_bytes,
                memory_bytes=psutil.virtual_memory().available,
            )
            fd = allocation.ring(data_bytes, stack)
            fds.append(fd)
            key = struct.pack("=I", slot)
            bpf.update(array, key, struct.pack("=I", fd))
            stack.callback(bpf.delete, array, key)
        if request.consumer.reader is Reader.LIBBCC:
            drain = stack.enter_context(libbcc.ring_reader(fds, capture, request.consumer))
        else:
            for fd, (_, data_bytes) in zip(fds, slots, strict=True):
                capture.add_ring(fd, data_bytes)
            stack.callback(capture.unmap)
            drain = native.reader(capture, request.consumer)
        footprint = ringbuf_footprint(
            sum(data_bytes for _, data_bytes in slots),
            rings=len(slots),
        )
        yield Opened(footprint=footprint, map_fds=tuple(fds), drain=drain, lost_told=dict)
