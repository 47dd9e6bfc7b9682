# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Distribute work on a data set over processes if it takes longer than they take to start."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from typing import Final, TypeVar

from bench.errors import MachineUnfit
from bench.host.signals import uninterrupted
from bench.linux import libc

_MALLOC: Final = {-3: 64 << 20, -1: 256 << 20}
"""M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of mallopt(3).

Arrays of a batch come and go: otherwise the kernel would clear the pages of each.
"""
A = TypeVar("A")
B = TypeVar("B")


class Processes:
    """Provide worker processes, one for each CPU, started when they are first needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._cpus = len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[A], B], values: Iterable[A], *, worth: bool) -> Iterator[B]:
        """Yield ``function`` of each value, in order: here, unless it is ``worth`` processes."""
        if not worth or self._cpus < 2:
            yield from map(function, values)
            return
        if self._pool is None:
            # A fork would copy other threads half-way.
            resource_tracker.ensure_running()
            self._pool = ProcessPoolExecutor(self._cpus, get_context("spawn"), initializer=_begin)
            self._stack.callback(self._pool.shutdown, cancel_futures=True)
        waiting: deque[Future[B]] = deque()
        for value in values:
            with uninterrupted():  # which may start a process
                waiting.append(self._pool.submit(function, value))
            if len(waiting) > 2 * self._cpus:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def processes() -> Iterator[Processes]:
    """Yield processes that end with the context. MachineUnfit if one of them was killed."""
    with ExitStack() as stack:
        try:
            yield Processes(stack)
        except BrokenExecutor as error:
            raise MachineUnfit(
                "a process that decodes journals was killed", remedy="see whether memory is short"
            ) from error


def _begin() -> None:
    """Prepare a process before it imports what it needs."""
    # Each worker holds the pipe open, so none would notice if the parent is killed.
    libc.end_with_parent()
    parent = parent_process()
    if parent is None or parent.pid != os.getppid():
        os._exit(1)  # the parent had already been killed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the first process handles Ctrl-C
    os.environ["POLARS_MAX_THREADS"] = "1"
    gc.set_threshold(200_000)  # decoded trials form no cycles
    with suppress(AttributeError):  # not every C library has it
        for parameter, value in _MALLOC.items():
            ctypes.CDLL(None).mallopt(parameter, value)
