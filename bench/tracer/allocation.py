# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Buffers without a tracer: what the kernel allocates for them, and their mappings.

A ring's pages are there from the moment its map is made; a perf buffer's only once it is mapped.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from errno import ENOMEM
from typing import Final

from bench.linux import bpf, perf_event, refusal
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.record.footprint import (
    perfbuf_footprint,
    perfbuf_mapped_bytes,
    ringbuf_footprint,
    ringbuf_mapped_bytes,
)
from bench.tracer.transport import Allocation, Request

MAPPINGS: Final = frozenset({"anon_inode:bpf-map", "anon_inode:[perf_event]"})
"""Names of the buffers' mappings in /proc/self/smaps."""


@contextmanager
def rings(*, count: int, data_bytes: int) -> Iterator[Allocation]:
    """Make ``count`` ring buffers; KernelRefused if the kernel lacks them or the memory."""
    with ExitStack() as stack:
        fds = [ring(data_bytes, stack) for _ in range(count)]

        def map_all() -> None:
            for fd in fds:
                # The consumer may write its own position, and nothing else.
                _touch(_mapped(fd, PAGE_BYTES, stack, writable=True))
                _touch(_mapped(fd, PAGE_BYTES + 2 * data_bytes, stack, offset=PAGE_BYTES))

        yield Allocation(
            footprint=ringbuf_footprint(count * data_bytes, rings=count),
            mapped_bytes=ringbuf_mapped_bytes(count * data_bytes, rings=count),
            map_fds=tuple(fds),
            map=map_all,
        )


@contextmanager
def perf_buffers(request: Request) -> Iterator[Allocation]:
    """Make a perf buffer on every CPU of ``request``, in an array of events; KernelRefused."""
    pages = request.pages_per_cpu()
    cpus = len(request.cpus)
    with ExitStack() as stack:
        array = bpf.create_map(
            bpf.PERF_EVENT_ARRAY, key_bytes=4, value_bytes=4, entries=request.cpus[-1] + 1,
            name="bufbench_perf",
        )  # fmt: skip
        stack.callback(os.close, array)
        views = []
        for cpu in request.cpus:
            try:
                event = perf_event.open_output(cpu)
                stack.callback(os.close, event)
                bpf.update(array, struct.pack("=I", cpu), struct.pack("=I", event))
                views.append(_mapped(event, (pages + 1) * PAGE_BYTES, stack, writable=True))
            except OSError as error:
                raise refusal.refused(
                    f"the kernel gives no perf buffer of {pages} pages on CPU {cpu}", error
                ) from error

        def read_all() -> None:
            for view in views:
                _touch(view)

        yield Allocation(
            footprint=perfbuf_footprint(pages, cpus=cpus),
            mapped_bytes=perfbuf_mapped_bytes(pages, cpus=cpus),
            map_fds=(array,),
            map=read_all,
        )


def ring(data_bytes: int, stack: ExitStack) -> int:
    """Make one ring buffer; return its map's descriptor, which ``stack`` closes."""
    try:
        fd = bpf.create_map(
            bpf.RINGBUF, key_bytes=0, value_bytes=0, entries=data_bytes,
            name="bufbench_ring",
        )  # fmt: skip
    except OSError as error:
        raise refusal.refused(
            f"the kernel gives no ring buffer of {budgets.label(data_bytes)}", error,
            remedy="take a smaller budget, or free memory" if error.errno == ENOMEM else "",
        ) from error  # fmt: skip
    stack.callback(os.close, fd)
    return fd


def _mapped(
    fd: int, length: int, stack: ExitStack, *, writable: bool = False, offset: int = 0
) -> mmap.mmap:
    prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    view = mmap.mmap(fd, length, flags=mmap.MAP_SHARED, prot=prot, offset=offset)
    stack.callback(view.close)
    return view


def _touch(view: mmap.mmap) -> None:
    """Read a byte of every page: some kernels map perf pages only as they are read."""
    for at in range(0, len(view), mmap.PAGESIZE):
        view[at]
