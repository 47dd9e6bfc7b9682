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
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

import polars as pl

from bench.errors import JournalError
from bench.host import ownership
from bench.judge.metrics import Unit
from bench.questions.history.frame import SCHEMA, rows_of

NAME: Final = ".bufbench-history.parquet"
_PACKAGE: Final = Path(__file__).resolve().parents[2]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a file's inode says of it."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Look at a journal. JournalError unless it is a plain file that can be seen."""
        try:
            seen = path.stat()
        except OSError as error:
            raise JournalError(f"journal {path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(seen.st_mode):  # reading a pipe would wait
            raise JournalError(f"journal {path} cannot be read: it is not a file")
        return cls(size_bytes=seen.st_size, mtime_ns=seen.st_mtime_ns, ctime_ns=seen.st_ctime_ns)


class Cache:
    """The numbers of one folder's journals."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frames = {
            str(path): frame
            for (path,), frame in load(folder / NAME).partition_by("path", as_dict=True).items()
        }
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
        if then["size_bytes"] != stamp.size_bytes or then["sha256"] != _sha256(path):
            return None
        return self._keep(
            path, frame.with_columns(pl.lit(v).alias(k) for k, v in asdict(stamp).items())
        )

    def judged(self, path: Path) -> pl.DataFrame:
        """Judge a journal and keep its rows. JournalError if it cannot be read."""
        of_file = {
            "judge": judge(),
            "path": self._name(path),
            **asdict(Stamp.of(path)),  # before it is read: what is added meanwhile alters it
            "sha256": _sha256(path),
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
        name = str(path.relative_to(self._folder))
        return name.encode("utf-8", "backslashreplace").decode()

    def _keep(self, path: Path, frame: pl.DataFrame) -> pl.DataFrame:
        frame = frame.with_columns(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
        self._frames[self._name(path)] = frame
        self._altered = True
        return frame


@cache
def judge() -> str:
    """Return a digest of all that judges a journal: numbers of other code are not comparable."""
    found = sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise JournalError(f"journal {path} cannot be read: {error.strerror}") from error


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
    return frame.filter(pl.col("judge") == judge())


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
