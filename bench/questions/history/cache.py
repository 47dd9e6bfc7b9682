# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Numbers of a folder's journals, kept beside them as Parquet: judging takes long, reading not.

A file's rows count as long as it has the size, mtime and ctime that it had; where one of them
differs, its SHA-256 decides. Rows that other code has judged, and a cache that is torn or foreign,
do not count.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

import polars as pl

from bench.host import ownership
from bench.journal.files import Stamp, code, digest, name_in
from bench.judge.metrics import Unit
from bench.questions.history.frame import SCHEMA, rows_of

NAME: Final = ".bufbench-history.parquet"
_STAMP: Final = ("size_bytes", "mtime_ns", "ctime_ns")
_NEVER_NULL: Final = ("judge", "path", *_STAMP, "sha256")
_NULL_AT_ONCE: Final = ("number", "run", "started_s", "trials", "hostname", "kernel", "kind")
_OF_NUMBER: Final = (
    "asked",
    "key",
    "labels",
    "transport",
    "name",
    "unit",
    "value",
    "more_is_better",
)


class Cache:
    """The numbers of one folder's journals."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frames = dict(_by_path(load(folder / NAME)))
        self._altered = False

    def known(self, path: Path) -> pl.DataFrame | None:
        """Return the rows of a journal that is as it was; None if it has to be judged."""
        frame = self._frames.get(self._name(path))
        if frame is None:
            return None
        stamp = Stamp.of(path)
        then = frame.row(0, named=True)
        if all(then[name] == value for name, value in asdict(stamp).items()):
            return frame
        if then["size_bytes"] != stamp.size_bytes or then["sha256"] != digest(path):
            return None
        return self._keep(
            path, frame.with_columns(pl.lit(v).alias(k) for k, v in asdict(stamp).items())
        )

    def judged(self, path: Path) -> pl.DataFrame:
        """Judge a journal and keep its rows. JournalError if it cannot be read."""
        of_file = {
            "judge": code(),
            "path": self._name(path),
            **asdict(Stamp.of(path)),  # before it is read: what is added meanwhile alters it
            "sha256": digest(path),
        }
        return self._keep(path, rows_of(path, of_file))

    def save(self) -> None:
        """Write the cache, if anything in it is new, as a whole or not at all. Raises OSError."""
        here = {name: f for name, f in self._frames.items() if (self._folder / name).exists()}
        if not here or not (self._altered or len(here) < len(self._frames)):
            return
        descriptor, made = tempfile.mkstemp(prefix=NAME, dir=self._folder)
        beside = Path(made)
        try:
            with os.fdopen(descriptor, "wb") as file:
                pl.concat(here.values()).write_parquet(file)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)  # as if it were not temporary
            ownership.hand_over(beside)
            beside.replace(self._folder / NAME)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)

    def _name(self, path: Path) -> str:
        return name_in(self._folder, path)

    def _keep(self, path: Path, frame: pl.DataFrame) -> pl.DataFrame:
        frame = frame.with_columns(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
        self._frames[self._name(path)] = frame
        self._altered = True
        return frame


def _by_path(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of each journal, which stand together."""
    start = 0
    for path, count in (
        rows.select(pl.col("path").rle()).unnest("path").select("value", "len").rows()
    ):
        yield path, rows.slice(start, count)
        start += count


def load(path: Path) -> pl.DataFrame:
    """Return the rows of a cache that this code wrote; none of any other file."""
    nothing = pl.DataFrame(schema=SCHEMA)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return nothing
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return nothing
    if frame.schema != SCHEMA or not _holds(frame):
        return nothing
    return frame.filter(pl.col("judge") == code())


def _holds(frame: pl.DataFrame) -> bool:
    """Return whether the rows are whole: nothing is null, or out of range, that cannot be."""
    given = frame.filter(pl.col("number").is_not_null())
    return (
        not any(frame[name].has_nulls() for name in _NEVER_NULL)
        and not any(given[name].has_nulls() for name in (*_NULL_AT_ONCE, *_OF_NUMBER))
        and bool(given["unit"].is_in(list(Unit)).all())
        and bool(given["value"].is_finite().all())
        and not any(given[name].is_nan().any() for name in ("low", "high"))
        and all(map(_are_labels, given["labels"].unique()))
        and bool(given["started_s"].is_between(-62_135_596_800, 253_402_300_799).all())
    )


def _are_labels(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    pairs = found if isinstance(found, list) else [None]
    return all(
        isinstance(each, list) and len(each) == 2 and all(isinstance(word, str) for word in each)
        for each in pairs
    )
