# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make maps and perf buffers, fill arrays with them, map them, and choose what drains them.

All of it lasts until the caller's ``stack`` is left.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from bench.amounts import counted
from bench.linux import bpf, perf_event, refusal
from bench.plan.config import Consumer, Producer, Reader, Wake
from bench.tracer import consumer as native
from bench.tracer import outside
from bench.tracer.capture import Capture

MAPPINGS: Final = frozenset({"anon_inode:bpf-map", "anon_inode:[perf_event]"})
"""Names of the buffers' mappings in /proc/self/smaps."""

_SMALLER: Final = "take a smaller budget, raise kernel.perf_event_mlock_kb, or grant CAP_IPC_LOCK"
_FOR_SIZE: Final = (errno.EPERM, errno.ENOMEM, errno.EINVAL)  # of mmap(2) for too many pages


def make_map(
    kind: int,
    what: str,
    stack: ExitStack,
    *,
    entries: int,
    name: str,
    key_bytes: int = 4,
    value_bytes: int = 4,
    flags: int = 0,
    smaller: str = "",
) -> int:
    """Make a map and return its descriptor; KernelRefused, which names it ``what``.

    ``entries``: of a ring, its data bytes. ``smaller``: the remedy if that is too much.
    """
    if kind == bpf.RINGBUF:
        key_bytes = value_bytes = 0
    try:
        fd = bpf.create_map(
            kind, key_bytes=key_bytes, value_bytes=value_bytes, entries=entries, flags=flags,
            name=f"bufbench_{name}",
        )  # fmt: skip
    except OSError as error:
        remedy = smaller if error.errno in (errno.ENOMEM, errno.E2BIG) else ""
        raise refusal.refused(f"the kernel gives no {what}", error, remedy=remedy) from error
    stack.callback(os.close, fd)
    return fd


def put(array: int, slot: int, descriptor: int, stack: ExitStack) -> None:
    """Set one element of an array of maps or events."""
    key = struct.pack("=I", slot)
    bpf.update(array, key, struct.pack("=I", descriptor))
    stack.callback(bpf.delete, array, key)


def mapped(
    fd: int, length: int, stack: ExitStack, *, writable: bool = False, offset: int = 0
) -> mmap.mmap:
    """Map ``length`` bytes of a buffer; OSError."""
    prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    return stack.enter_context(
        mmap.mmap(fd, length, flags=mmap.MAP_SHARED, prot=prot, offset=offset)
    )


def touch(view: mmap.mmap) -> None:
    """Read a byte of every page: some kernels map perf pages only as they are read."""
    for at in range(0, len(view), mmap.PAGESIZE):
        view[at]


def attributes(producer: Producer) -> tuple[bytes, bytes]:
    """Return the attributes of events, which treat adaptive wake-ups as forced."""
    wake = producer.wake
    every = producer.watermark if wake in (Wake.WATERMARK, Wake.BYTES) else 1
    return perf_event.output_attributes(
        wake_every=None if wake is Wake.NONE else every, in_bytes=wake is Wake.BYTES
    )


def perf_buffer(
    cpu: int, pages: int, producer: Producer, stack: ExitStack, map_event: Callable[[int], object]
) -> int:
    """Make a CPU's buffer; return its event."""
    try:
        event = perf_event.open_output(cpu, attributes(producer))
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


def lost(events: Sequence[int]) -> int | None:
    """Return the kernel's count of records that found no space in perf buffers; None before 6.0."""
    exact = [count for count in map(perf_event.lost, events) if count is not None]
    return sum(exact) if len(exact) == len(events) else None


def drain(
    fds: Sequence[int],
    data_bytes: int,
    capture: Capture,
    consumer: Consumer,
    stack: ExitStack,
    *,
    rings: bool,
) -> Callable[[], None]:
    """Return a drain of buffers of ``data_bytes`` each: by ``capture``, or by another reader.

    ``fds``: of ring buffers' maps, or of perf buffers' events. MachineUnfit.
    """
    if consumer.reader is Reader.COMMAND:
        return stack.enter_context(outside.reader(fds, data_bytes, capture, consumer, rings=rings))
    stack.callback(capture.unmap)
    if consumer.threads > 1:
        from bench.tracer import consumers  # and with it numpy, without which `trace` starts

        return consumers.reader(capture, consumer, stack)
    return native.reader(capture, consumer)
