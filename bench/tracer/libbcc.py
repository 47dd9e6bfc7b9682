# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read with libbcc: libbpf's ring loop and bcc's perf reader, with bufbench's callbacks.

They run until a buffer is empty and cannot be stopped before, which is part of what is measured.
The callbacks append to the capture without the GIL.
"""

from __future__ import annotations

import ctypes as ct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bench.amounts import counted
from bench.errors import KernelRefused
from bench.linux import libc, refusal
from bench.plan.config import Consumer, Producer, Wake
from bench.tracer import loader
from bench.tracer.capture import LOST_CALLBACK, PERF_CALLBACK, RING_CALLBACK, Capture
from bench.tracer.consumer import POLL_MS, by_library


class _PerfOptions(ct.Structure):
    _fields_ = (("pid", ct.c_int), ("cpu", ct.c_int), ("wakeup_events", ct.c_int))


_INT, _POINTER = ct.c_int, ct.c_void_p
_TYPES: Final[dict[str, tuple[Any, ...]]] = {  # of the result, then of the arguments
    "bpf_new_ringbuf": (_POINTER, _INT, _POINTER, _POINTER),
    "bpf_add_ringbuf": (_INT, _POINTER, _INT, _POINTER, _POINTER),
    "bpf_poll_ringbuf": (_INT, _POINTER, _INT),
    "bpf_consume_ringbuf": (_INT, _POINTER),
    "bpf_free_ringbuf": (None, _POINTER),
    "bpf_open_perf_buffer_opts": (_POINTER, *(_POINTER,) * 3, _INT, ct.POINTER(_PerfOptions)),
    "perf_reader_fd": (_INT, _POINTER),
    "perf_reader_poll": (_INT, _INT, _POINTER, _INT),
    "perf_reader_consume": (_INT, _INT, _POINTER),
    "perf_reader_free": (None, _POINTER),
}


def _function(name: str) -> Any:
    loader.bcc_version()
    from bcc.libbcc import lib

    return ct.CFUNCTYPE(*_TYPES[name], use_errno=True)((name, lib))


def _refused(what: str) -> KernelRefused:
    """Return the error of the library's last call, with the kernel's errno."""
    return refusal.refused(what, libc.last_error())


@contextmanager
def ring_reader(
    fds: Sequence[int], capture: Capture, consumer: Consumer
) -> Iterator[Callable[[], None]]:
    """Open libbpf's ring_buffer over these maps, as bcc uses it; yield its drain."""
    manager = _function("bpf_new_ringbuf")(fds[0], RING_CALLBACK, capture.address)
    if not manager:
        raise _refused("libbpf cannot open the ring buffer")
    try:
        add = _function("bpf_add_ringbuf")
        for fd in fds[1:]:
            if add(manager, fd, RING_CALLBACK, capture.address) < 0:
                raise _refused("libbpf cannot open a second ring buffer")
        poll, consume = _function("bpf_poll_ringbuf"), _function("bpf_consume_ringbuf")
        yield by_library(
            capture, consumer, lambda: poll(manager, POLL_MS), lambda: consume(manager)
        )
    finally:
        _function("bpf_free_ringbuf")(manager)


@contextmanager
def perf_reader(
    cpu: int, pages: int, producer: Producer, capture: Capture
) -> Iterator[tuple[int, int]]:
    """Open bcc's perf reader for one CPU; yield the event's descriptor and the handle."""
    wakeup = producer.watermark if producer.wake is Wake.WATERMARK else 1
    handle = _function("bpf_open_perf_buffer_opts")(
        PERF_CALLBACK, LOST_CALLBACK, capture.address, pages,
        ct.byref(_PerfOptions(-1, cpu, wakeup)),
    )  # fmt: skip
    if not handle:
        raise _refused(f"bcc cannot open a perf buffer of {counted(pages, 'page')} on CPU {cpu}")
    try:
        yield _function("perf_reader_fd")(handle), handle
    finally:
        _function("perf_reader_free")(handle)


def perf_drain(handles: Sequence[int], capture: Capture, consumer: Consumer) -> Callable[[], None]:
    """Return the function that drains such readers until ``capture.stop()``."""
    count, array = len(handles), (ct.c_void_p * len(handles))(*handles)
    poll, consume = _function("perf_reader_poll"), _function("perf_reader_consume")
    return by_library(
        capture, consumer, lambda: poll(count, array, POLL_MS), lambda: consume(count, array)
    )
