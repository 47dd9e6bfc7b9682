# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Perf buffers of all online CPUs in the program's array, read by bufbench's reader or bcc's."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from bench.errors import KernelRefused
from bench.linux import bpf, perf_event, procfs, refusal
from bench.linux.pages import PAGE_BYTES
from bench.plan.config import Reader, Wake
from bench.record.footprint import perfbuf_footprint
from bench.tracer import libbcc, native
from bench.tracer.capture import Capture
from bench.tracer.program import Program
from bench.tracer.transport import Opened, Request

_SMALLER: Final = "take a smaller budget, raise kernel.perf_event_mlock_kb, or grant CAP_IPC_LOCK"
_FOR_SIZE: Final = (errno.EPERM, errno.ENOMEM, errno.EINVAL)  # of mmap(2), of so many pages


@contextmanager
def opened(program: Program, capture: Capture, request: Request) -> Iterator[Opened]:
    """Open a buffer of an equal share of the budget for each CPU, as large for the others."""
    pages = request.pages_per_cpu()
    events: dict[int, int] = {}
    with ExitStack() as stack:
        array = program.map_fd("events")
        handles: list[int] = []
        for cpu in request.cpus:
            try:
                event, handle = _event(cpu, pages, capture, request, stack)
            except KernelRefused as error:
                if _gone(cpu, error):
                    continue  # if it comes back, its exits are dropped and counted
                raise
            events[cpu] = event
            handles += [handle] if handle else []
            key = struct.pack("=I", cpu)
            bpf.update(array, key, struct.pack("=I", event))
            stack.callback(bpf.delete, array, key)
        if request.consumer.reader is Reader.LIBBCC:
            drain = libbcc.perf_drain(handles, capture, request.consumer)
        else:
            stack.callback(capture.unmap)
            drain = native.reader(capture, request.consumer)
        yield Opened(
            footprint=perfbuf_footprint(pages, cpus=len(events)),
            map_fds=(array,),
            drain=drain,
            lost_told=lambda: _lost_told(events, capture),
        )


def _event(
    cpu: int, pages: int, capture: Capture, request: Request, stack: ExitStack
) -> tuple[int, int]:
    """Return one CPU's event, and libbcc's handle of it where libbcc reads (else 0)."""
    if request.consumer.reader is Reader.LIBBCC:
        return stack.enter_context(libbcc.perf_reader(cpu, pages, request.producer, capture))
    return _map(cpu, pages, capture, request, stack), 0


def _gone(cpu: int, error: KernelRefused) -> bool:
    """Return whether the CPU, online when the run began, has gone."""
    cause = error.__cause__
    refused = isinstance(cause, OSError) and cause.errno == errno.ENODEV
    return refused or cpu not in procfs.online_cpus()


def _map(cpu: int, pages: int, capture: Capture, request: Request, stack: ExitStack) -> int:
    # There is no adaptive wake-up: adaptive and forced both wake at every record.
    wake = request.producer.wake
    every = request.producer.watermark if wake is Wake.WATERMARK else 1
    try:
        event = perf_event.open_output(cpu, wake_every=None if wake is Wake.NONE else every)
    except OSError as error:
        raise refusal.refused(f"the kernel gives no perf event on CPU {cpu}", error) from error
    stack.callback(os.close, event)
    try:
        capture.add_perf(event, pages * PAGE_BYTES)
    except OSError as error:
        raise refusal.refused(
            f"the kernel gives no perf buffer of {pages} pages on CPU {cpu}", error,
            remedy=_SMALLER if error.errno in _FOR_SIZE else "",
        ) from error  # fmt: skip
    return event


def _lost_told(events: dict[int, int], capture: Capture) -> dict[str, int]:
    lost = {"PERF_RECORD_LOST": int(capture.lost_reported)}
    exact = [perf_event.lost(event) for event in events.values()]
    if None not in exact:
        lost["PERF_FORMAT_LOST"] = sum(count for count in exact if count is not None)
    return lost
