# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a journal into parts, on every CPU: lines are decoded apart, and put together in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from bench.dataset.rows import frame_of
from bench.errors import JournalError
from bench.host import ownership
from bench.journal.files import Say, Stamp, digest
from bench.journal.raw_lines import RawLine
from bench.journal.reader import Unusable, lines_of, usable, values_of
from bench.journal.schema import Fault, Value
from bench.paths import utf8
from bench.trial.result import TrialResult

_AT_ONCE_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Trials that follow one another, as a Parquet file."""

    path: Path
    trials: int


Item = Written | Value


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


Decoded = tuple[Batch, list[tuple[int, Item | Unusable]]]
"""A batch, its lines left out, and what they hold, with the numbers of the lines."""


def journals(
    paths: Iterable[Path], decode: Callable[[Iterable[Batch]], Iterator[Decoded]], say: Say
) -> Iterator[tuple[Journal, Iterator[Item | Fault]]]:
    """Yield each journal and what it holds; ``say`` is given which cannot be read.

    ``decode`` maps :func:`decoded` over batches.
    """
    batches = (batch for path in paths for batch in _batches(path))
    for journal, found in groupby(decode(batches), key=lambda each: each[0].journal):
        if journal is None:
            for batch, _ in found:
                say(batch.error)
        else:
            values = (value for _, some in found for value in some)
            yield journal, (item for _, item in usable(utf8(journal.path), values, _trials))


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
    found: list[tuple[int, Item | Unusable]] = []
    values: Iterator[tuple[int, Any]] = (
        (number, value) for number, line in batch.lines for value in values_of(number, line)
    )
    for are_trials, some in groupby(values, key=lambda each: isinstance(each[1], TrialResult)):
        if are_trials:
            trials = [*some]
            found.append((trials[-1][0], _written(folder, trials)))
        else:
            found += some
    return replace(batch, lines=()), found


def _written(folder: Path, trials: list[tuple[int, TrialResult]]) -> Written:
    path = folder / f"{token_hex(8)}.parquet"
    frame_of(trials).write_parquet(path, compression="zstd", compression_level=1)
    ownership.hand_over(path)
    return Written(path=path, trials=len(trials))
