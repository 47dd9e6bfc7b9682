# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read a journal into parts: its trials as rows in files, all other lines as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import msgspec

from bench.dataset.rows import frame_of
from bench.errors import JournalError
from bench.host import ownership
from bench.journal import quick
from bench.journal.files import Stamp, digest
from bench.journal.reader import Unusable, lines_of, usable, values_of
from bench.journal.schema import Fault, Value
from bench.paths import utf8
from bench.trial.result import TrialResult

_AT_ONCE_BYTES: Final = 8 << 20
_TRIALS: Final = (TrialResult, msgspec.Struct)
"""A trial, or a value with its attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Hold trials that follow one another, as a Parquet file."""

    path: Path
    trials: int


Item = Written | Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Hold a journal's stamp from before it was read, and its content."""

    path: Path
    stamp: Stamp
    sha256: str
    items: tuple[Item | Fault, ...]


def decoded(folder: Path, path: Path) -> Decoded | str:
    """Decode a journal; its trials are written to ``folder``. Return why if it cannot be read."""
    try:
        # Before it is read: lines that are added meanwhile alter it.
        stamp, sha256 = Stamp.of(path), digest(path)
        found = usable(utf8(path), _items(folder, path), _trials)
        items = tuple(item for _, item in found)
    except JournalError as error:
        return str(error)
    return Decoded(path=path, stamp=stamp, sha256=sha256, items=items)


def _trials(item: Item) -> int:
    return item.trials if isinstance(item, Written) else 0


def _items(folder: Path, path: Path) -> Iterator[tuple[int, Item | Unusable]]:
    trials: list[tuple[int, TrialResult]] = []
    size_bytes = 0
    quickly = quick.decoder(TrialResult, alike=True)
    for number, line in lines_of(path):
        value: Any
        for value in values_of(number, line, quickly):
            is_trial = isinstance(value, _TRIALS)
            if trials and (size_bytes > _AT_ONCE_BYTES or not is_trial):
                yield trials[-1][0], _written(folder, trials)
                trials, size_bytes = [], 0
            if is_trial:
                trials.append((number, value))
                size_bytes += len(line.text)
            else:
                yield number, value
    if trials:
        yield trials[-1][0], _written(folder, trials)


def _written(folder: Path, trials: list[tuple[int, TrialResult]]) -> Written:
    path = folder / f"{token_hex(8)}.parquet"
    frame_of(trials).write_parquet(path, compression="zstd", compression_level=1, statistics=False)
    ownership.hand_over(path)
    return Written(path=path, trials=len(trials))
