# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read with libbpf, ring__consume_n() and perf_buffer__poll(), with bufbench's callbacks.

ring_buffer__poll(), which bcc calls, empties a ring before it turns to the next one; here a batch
of each ring is read in turn.
"""

from __future__ import annotations

import ctypes as ct
import errno
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.amounts import counted
from bench.plan.config import Consumer
from bench.tracer import buffers, libbpf
from bench.tracer.capture import EVENT_CALLBACK, RING_CALLBACK, Capture
from bench.tracer.consumer import POLL_MS, by_library

if TYPE_CHECKING:
    from bench.tracer.transport import BufferRequest

BATCH: Final = 64  # records of one ring before the next has its turn


@contextmanager
def ring_reader(
    fds: Sequence[int], capture: Capture, consumer: Consumer
) -> Iterator[Callable[[], None]]:
    """Open libbpf's ring_buffer over these maps; yield its drain."""
    on_sample = libbpf.ON_SAMPLE(RING_CALLBACK)
    with libbpf.loaded() as library, ExitStack() as stack:
        manager = library.ring_buffer__new(fds[0], on_sample, capture.address, None)
        if not manager:
            raise library.refused("libbpf cannot open the ring buffer", ct.get_errno())
        stack.callback(library.ring_buffer__free, manager)
        for fd in fds[1:]:
            failed = library.ring_buffer__add(manager, fd, on_sample, capture.address)
            if failed < 0:
                raise library.refused("libbpf cannot open a second ring buffer", -failed)
        rings = [library.ring_buffer__ring(manager, at) for at in range(len(fds))]
        readable = select.poll()  # on the epoll descriptor, which is readable if a ring is
        readable.register(library.ring_buffer__epoll_fd(manager), select.POLLIN)

        def consume() -> None:
            while max(library.ring__consume_n(ring, BATCH) for ring in rings) >= BATCH:
                pass

        def poll() -> None:
            if readable.poll(POLL_MS):
                consume()

        yield by_library(capture, consumer, poll, consume)


@contextmanager
def perf_reader(
    array: int, pages: int, capture: Capture, request: BufferRequest
) -> Iterator[tuple[Sequence[int], Callable[[], None]]]:
    """Open libbpf's perf_buffer, which fills ``array``; yield its events and its drain."""
    on_event = libbpf.ON_EVENT(EVENT_CALLBACK)
    with libbpf.loaded() as library, ExitStack() as stack:
        for attribute in buffers.attributes(request.config.producer):
            library.warnings.clear()
            block = ct.create_string_buffer(attribute, len(attribute))
            manager = library.perf_buffer__new_raw(
                array, pages, block, on_event, capture.address, None
            )
            if manager or (failed := ct.get_errno()) != errno.EINVAL:
                break
        if not manager:
            what = f"libbpf cannot open perf buffers of {counted(pages, 'page')}"
            raise library.refused(what, failed)
        stack.callback(library.perf_buffer__free, manager)
        of = partial(library.perf_buffer__buffer_fd, manager)
        events = [of(at) for at in range(library.perf_buffer__buffer_cnt(manager))]
        poll = partial(library.perf_buffer__poll, manager, POLL_MS)
        consume = partial(library.perf_buffer__consume, manager)
        yield events, by_library(capture, request.config.consumer, poll, consume)
