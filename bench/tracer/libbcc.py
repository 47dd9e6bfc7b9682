# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""libbcc's readers: libbpf's ring loop and bcc's perf reader, with bufbench's callbacks.

They run until a buffer is empty and cannot be stopped within, which is part of what they are
measured for. The callbacks append to the capture without the GIL.
"""

from __future__ import annotations

import ctypes as ct
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bench.errors import KernelRefused
from bench.linux import refusal
from bench.plan.config import Consumer, Poll, Producer, Wake
from bench.tracer.capture import LOST_CALLBACK, PERF_CALLBACK, RING_CALLBACK, Capture

_POLL_MS: Final = 10  # how long a poll waits before it looks whether to stop


class _PerfOptions(ct.Structure):
    _fields_ = (("pid", ct.c_int), ("cpu", ct.c_int), ("wakeup_events", ct.c_int))


def _library() -> Any:
    from bcc.libbcc import lib

    return lib


def _refused(what: str) -> KernelRefused:
    """Return the error of the library's last call; it leaves errno as the kernel set it."""
    code = ct.get_errno()
    return refusal.refused(what, OSError(code, os.strerror(code)))


@contextmanager
def ring_reader(
    fds: Sequence[int], capture: Capture, consumer: Consumer
) -> Iterator[Callable[[], None]]:
    """Open libbpf's ring_buffer over these maps, as bcc uses it; yield its drain."""
    library = _library()
    new = ct.CFUNCTYPE(ct.c_void_p, ct.c_int, ct.c_void_p, ct.c_void_p, use_errno=True)(
        ("bpf_new_ringbuf", library)
    )
    add = ct.CFUNCTYPE(ct.c_int, ct.c_void_p, ct.c_int, ct.c_void_p, ct.c_void_p, use_errno=True)(
        ("bpf_add_ringbuf", library)
    )
    poll = ct.CFUNCTYPE(ct.c_int, ct.c_void_p, ct.c_int)(("bpf_poll_ringbuf", library))
    consume = ct.CFUNCTYPE(ct.c_int, ct.c_void_p)(("bpf_consume_ringbuf", library))
    free = ct.CFUNCTYPE(None, ct.c_void_p)(("bpf_free_ringbuf", library))
    manager = new(fds[0], RING_CALLBACK, capture.address)
    if not manager:
        raise _refused("libbpf cannot open the ring buffer")
    try:
        for fd in fds[1:]:
            if add(manager, fd, RING_CALLBACK, capture.address) < 0:
                raise _refused("libbpf cannot open a second ring buffer")
        yield _drain(
            capture, consumer,
            poll=lambda: int(poll(manager, _POLL_MS)), consume=lambda: int(consume(manager)),
        )  # fmt: skip
    finally:
        free(manager)


@contextmanager
def perf_reader(
    cpu: int, pages: int, producer: Producer, capture: Capture
) -> Iterator[tuple[int, int]]:
    """Open bcc's perf reader for one CPU; yield the event's descriptor and the handle."""
    library = _library()
    wakeup = producer.watermark if producer.wake is Wake.WATERMARK else 1
    open_buffer = ct.CFUNCTYPE(
        ct.c_void_p,
        ct.c_void_p,
        ct.c_void_p,
        ct.c_void_p,
        ct.c_int,
        ct.POINTER(_PerfOptions),
        use_errno=True,
    )(("bpf_open_perf_buffer_opts", library))
    options = _PerfOptions(-1, cpu, wakeup)
    handle = open_buffer(PERF_CALLBACK, LOST_CALLBACK, capture.address, pages, ct.byref(options))
    if not handle:
        raise _refused(f"bcc cannot open a perf buffer of {pages} pages on CPU {cpu}")
    free = ct.CFUNCTYPE(None, ct.c_void_p)(("perf_reader_free", library))
    descriptor = ct.CFUNCTYPE(ct.c_int, ct.c_void_p)(("perf_reader_fd", library))
    try:
        yield descriptor(handle), handle
    finally:
        free(handle)


def perf_drain(handles: Sequence[int], capture: Capture, consumer: Consumer) -> Callable[[], None]:
    """Return the function that drains such readers until ``capture.stop()``."""
    library = _library()
    array = (ct.c_void_p * len(handles))(*handles)
    poll = ct.CFUNCTYPE(ct.c_int, ct.c_int, ct.c_void_p, ct.c_int)(("perf_reader_poll", library))
    consume = ct.CFUNCTYPE(ct.c_int, ct.c_int, ct.c_void_p)(("perf_reader_consume", library))
    return _drain(
        capture, consumer,
        poll=lambda: int(poll(len(handles), array, _POLL_MS)),
        consume=lambda: int(consume(len(handles), array)),
    )  # fmt: skip


def _drain(
    capture: Capture, consumer: Consumer, *, poll: Callable[[], int], consume: Callable[[], int]
) -> Callable[[], None]:
    def drain() -> None:
        wakeups = 0
        capture.spend(consumer.cost_ns)
        cpu_before, before = time.thread_time_ns(), resource.getrusage(resource.RUSAGE_THREAD)
        while not capture.stopping:
            seen = capture.count + capture.overflow
            if consumer.poll is Poll.EPOLL:
                poll()
            elif consumer.poll is not Poll.STOPPED:
                consume()
            wakeups += capture.count + capture.overflow > seen
            if consumer.poll in (Poll.TIMED, Poll.STOPPED):
                time.sleep(consumer.interval_ms / 1e3)
        consume()
        after = resource.getrusage(resource.RUSAGE_THREAD)
        capture.account(
            wakeups,
            time.thread_time_ns() - cpu_before,
            after.ru_nvcsw - before.ru_nvcsw,
            after.ru_nivcsw - before.ru_nivcsw,
        )

    return drain
