# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a journal into rows, on every CPU: lines are decoded apart, and put together in order."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import Final

import polars as pl

from bench.dataset.rows import frame_of
from bench.journal.raw_lines import RawLine
from bench.journal.reader import Unusable, lines_of, usable, values_of
from bench.journal.schema import Fault, Value
from bench.trial.result import TrialResult

_AT_ONCE_BYTES: Final = 4 << 20
_WORTH_BYTES: Final = 16 << 20
"""Less is read before other processes have started."""

Item = pl.DataFrame | Value
"""Rows of trials, or a line of another kind."""
Numbered = tuple[int, RawLine]
Decode = Callable[[Iterable[list[Numbered]]], Iterator[list[tuple[int, Item | Unusable]]]]


def items(path: Path, decode: Decode) -> Iterator[Item | Fault]:
    """Yield what a journal holds, its trials as rows. JournalError where it cannot be read."""
    decoded = (each for some in decode(_batches(path)) for each in some)
    return (item for _, item in usable(str(path), decoded, _trials))


def _trials(item: Item) -> int:
    return len(item) if isinstance(item, pl.DataFrame) else 0


def _batches(path: Path) -> Iterator[list[Numbered]]:
    some: list[Numbered] = []
    size_bytes = 0
    for number, line in lines_of(path):
        some.append((number, line))
        size_bytes += len(line.text)
        if size_bytes > _AT_ONCE_BYTES:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some


def decoded(some: list[Numbered]) -> list[tuple[int, Item | Unusable]]:
    """Decode lines; trials that follow one another become the rows of one table."""
    found: list[tuple[int, Item | Unusable]] = []
    trials: list[tuple[int, TrialResult]] = []

    def end() -> None:
        if trials:
            found.append((trials[-1][0], frame_of(trials)))
            trials.clear()

    for number, line in some:
        for value in values_of(number, line):
            if isinstance(value, TrialResult):
                trials.append((number, value))
            else:
                end()
                found.append((number, value))
    end()
    return found


@contextmanager
def decoder(size_bytes: int) -> Iterator[Decode]:
    """Yield what decodes batches in their order, for so many bytes in other processes."""
    cpus = len(os.sched_getaffinity(0))
    if size_bytes < _WORTH_BYTES or cpus < 2:
        yield partial(map, decoded)
        return
    # A fork would copy whatever threads there are half-way; Ctrl-C is this process's to answer.
    resource_tracker.ensure_running()
    with ProcessPoolExecutor(cpus, get_context("spawn"), initializer=_ignore_interrupts) as pool:
        try:
            yield partial(_in_order, pool, 2 * cpus)
        finally:
            pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, ahead: int, batches: Iterable[list[Numbered]]
) -> Iterator[list[tuple[int, Item | Unusable]]]:
    waiting: deque[Future[list[tuple[int, Item | Unusable]]]] = deque()
    for some in batches:
        waiting.append(pool.submit(decoded, some))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _ignore_interrupts() -> None:
    os.environ["POLARS_MAX_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
