# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a journal into parts, on every CPU: lines are decoded apart, and put together in order."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from secrets import token_hex
from typing import Final

from bench.dataset.rows import frame_of
from bench.errors import JournalError, MachineUnfit
from bench.host import ownership
from bench.journal.files import Stamp, digest
from bench.journal.raw_lines import RawLine
from bench.journal.reader import Unusable, lines_of, usable, values_of
from bench.journal.schema import Fault, Value
from bench.trial.result import TrialResult

_AT_ONCE_BYTES: Final = 8 << 20
_WORTH_BYTES: Final = 16 << 20
"""Less is read before other processes have started."""
_OF_WORKERS: Final = {
    "POLARS_MAX_THREADS": "1",
    # Arrays of a batch come and go: without these, glibc has the kernel clear each one's pages.
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Trials that follow one another, as a Parquet file."""

    path: Path
    trials: int


Item = Written | Value
Found = list[tuple[int, Item | Unusable]]
"""Items and the numbers of their lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A journal as it was before it was read."""

    path: Path
    stamp: Stamp
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Lines of a journal, or why it cannot be read."""

    journal: Journal | None
    lines: tuple[tuple[int, RawLine], ...] = ()
    error: str = ""


Decoded = tuple[Batch, Found]
"""A batch, its lines left out, and what they hold."""
Decode = Callable[[Iterable[Batch]], Iterator[Decoded]]


def journals(
    paths: Iterable[Path], decode: Decode, say: Callable[[str], None]
) -> Iterator[tuple[Journal, Iterator[Item | Fault]]]:
    """Yield each journal and what it holds; ``say`` is given which cannot be read."""
    batches = (batch for path in paths for batch in _batches(path))
    for journal, found in groupby(decode(batches), key=lambda each: each[0].journal):
        if journal is None:
            for batch, _ in found:
                say(batch.error)
        else:
            values = (value for _, some in found for value in some)
            yield journal, (item for _, item in usable(str(journal.path), values, _trials))


def _trials(item: Item) -> int:
    return item.trials if isinstance(item, Written) else 0


def _batches(path: Path) -> Iterator[Batch]:
    try:
        # Looked at before it is read: what is added meanwhile alters it.
        journal = Journal(path=path, stamp=Stamp.of(path), sha256=digest(path))
        some: list[tuple[int, RawLine]] = []
        size_bytes = 0
        for number, line in lines_of(path):
            some.append((number, line))
            size_bytes += len(line.text)
            if size_bytes > _AT_ONCE_BYTES:
                yield Batch(journal=journal, lines=tuple(some))
                some, size_bytes = [], 0
        if some:
            yield Batch(journal=journal, lines=tuple(some))
    except JournalError as error:
        yield Batch(journal=None, error=str(error))


def decoded(folder: Path, batch: Batch) -> Decoded:
    """Decode lines; trials that follow one another are written to a file in ``folder``."""
    found: Found = []
    trials: list[tuple[int, TrialResult]] = []

    def end() -> None:
        if trials:
            found.append((trials[-1][0], _written(folder, trials)))
            trials.clear()

    for number, line in batch.lines:
        for value in values_of(number, line):
            if isinstance(value, TrialResult):
                trials.append((number, value))
            else:
                end()
                found.append((number, value))
    end()
    return replace(batch, lines=()), found


def _written(folder: Path, trials: list[tuple[int, TrialResult]]) -> Written:
    path = folder / f"{token_hex(8)}.parquet"
    frame_of(trials).write_parquet(path, compression="zstd", compression_level=1)
    ownership.hand_over(path)
    return Written(path=path, trials=len(trials))


@contextmanager
def decoder(folder: Path, size_bytes: int) -> Iterator[Decode]:
    """Yield what decodes batches in their order, for so many bytes in other processes."""
    ownership.make_folder(folder)
    cpus = len(os.sched_getaffinity(0))
    if size_bytes < _WORTH_BYTES or cpus < 2:
        yield partial(map, partial(decoded, folder))
        return
    # A fork would copy whatever threads there are half-way; Ctrl-C is this process's to answer.
    resource_tracker.ensure_running()
    with (
        _environment(_OF_WORKERS),
        ProcessPoolExecutor(cpus, get_context("spawn"), initializer=_ignore_interrupts) as pool,
    ):
        try:
            yield partial(_in_order, pool, folder, 2 * cpus)
        except BrokenExecutor as error:
            raise MachineUnfit(
                "a process that decodes journals was killed", remedy="see whether memory is short"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, folder: Path, ahead: int, batches: Iterable[Batch]
) -> Iterator[Decoded]:
    waiting: deque[Future[Decoded]] = deque()
    for some in batches:
        waiting.append(pool.submit(decoded, folder, some))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for processes that begin meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
