# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read any number of journals, in folders and below, judging only those that are new.

Their numbers are kept beside them as Parquet. A file's rows are valid as long as its size, mtime
and ctime are unchanged; if one of them differs, its SHA-256 decides. Rows that other code has
judged, and a cache that is torn or foreign, are not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import TypeAdapter, ValidationError

from bench.amounts import counted
from bench.errors import JournalError, Say
from bench.journal.files import Stamp, below, code, digest, name_in, one_by_one, write_whole
from bench.judge.metrics import Unit
from bench.questions.history.frame import FILE, MEASURE, RUN, SCHEMA, rows_of
from bench.report.document import Labels

NAME: Final = ".bufbench-history.parquet"
_STAMP: Final = ("size_bytes", "mtime_ns", "ctime_ns")
_LABELS: Final[TypeAdapter[Labels]] = TypeAdapter(Labels)


def read(places: Iterable[Path], say: Say) -> pl.DataFrame:
    """Return the numbers of every run, each run once; ``say`` is called with what cannot be used.

    JournalError if there is no number at all.
    """
    wanted = list(places)
    if not any(place.exists() for place in wanted):
        raise JournalError(
            f"no number to follow: {wanted[0]} does not exist",
            remedy="name journals, or folders of them",
        )
    frames = [pl.DataFrame(schema=SCHEMA)]
    seen: set[Path] = set()
    for folder, journals in _journals(wanted, say):
        # Not by resolve(), which raises where links form a loop.
        real = ((path, Path(os.path.realpath(path))) for path in journals)
        fresh = {path: at for path, at in real if at not in seen}
        seen |= {*fresh.values()}
        frames += _frames(folder, [*fresh], say)
    rows = pl.concat(frames)
    if lacking := len(rows.filter(pl.col("number").is_null(), pl.col("fault").is_null())):
        say(f"{counted(lacking, 'journal')} without a comparison left out")
    numbers = _once(rows.filter(pl.col("number").is_not_null()), say)
    if numbers.is_empty():
        raise JournalError(
            f"no number to follow in {', '.join(map(str, wanted))}",
            remedy="name folders of journals that hold a comparison; they end in .jsonl, .jsonl.gz",
        )
    return numbers


class Cache:
    """Cache the numbers of one folder's journals."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        frames = load(folder / NAME).partition_by("path", maintain_order=True)
        self._frames: dict[str, pl.DataFrame] = {each["path"][0]: each for each in frames}
        self._altered = False

    def known(self, path: Path) -> pl.DataFrame | None:
        """Return the rows of an unchanged journal; None if it must be judged."""
        frame = self._frames.get(name_in(self._folder, path))
        if frame is None:
            return None
        stamp, then = Stamp.of(path), frame.row(0, named=True)
        before = Stamp(**{name: then[name] for name in _STAMP})
        if not stamp.same(before, path, then["sha256"]):
            return None
        if stamp == before:
            return frame
        columns = (pl.lit(value, pl.Int64).alias(name) for name, value in asdict(stamp).items())
        return self._keep(path, frame.with_columns(columns))

    def judged(self, path: Path) -> pl.DataFrame:
        """Judge a journal and keep its rows. JournalError if it cannot be read."""
        of_file = {
            "judge": code(),
            "path": name_in(self._folder, path),
            **asdict(Stamp.of(path)),  # before it is read: lines that are added meanwhile alter it
            "sha256": digest(path),
        }
        return self._keep(path, rows_of(path, of_file))

    def save(self) -> None:
        """Write the cache if anything in it is new, as a whole or not at all. Raises OSError."""
        here = {name: f for name, f in self._frames.items() if (self._folder / name).exists()}
        if here and (self._altered or len(here) < len(self._frames)):
            content = BytesIO()
            pl.concat(here.values()).write_parquet(content)
            write_whole(self._folder / NAME, content.getvalue())

    def _keep(self, path: Path, frame: pl.DataFrame) -> pl.DataFrame:
        self._frames[name_in(self._folder, path)] = frame
        self._altered = True
        return frame


def load(path: Path) -> pl.DataFrame:
    """Return the rows of a cache that this code wrote; no rows of any other file."""
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
    """Return whether the rows are valid: no value is null or out of range that must not be."""
    given = frame.filter(pl.col("number").is_not_null())
    return (
        not any(frame[name].has_nulls() for name in FILE.keys() - {"fault"})
        and not any(given[name].has_nulls() for name in (RUN | MEASURE).keys() - {"low", "high"})
        and bool(given["unit"].is_in(list(Unit)).all())
        and bool(given["value"].is_finite().all())
        and not any(given[name].is_nan().any() for name in ("low", "high"))
        and all(map(_are_labels, given["labels"].unique()))
        and bool(given["started_s"].is_between(-62_135_596_800, 253_402_300_799).all())
    )


def _are_labels(text: str) -> bool:
    try:
        _LABELS.validate_json(text)
    except ValidationError:
        return False
    return True


def _journals(places: Iterable[Path], say: Say) -> Iterator[tuple[Path, list[Path]]]:
    """Yield folders to keep a cache in, and the journals in each and below."""
    for place in places:
        if place.is_dir():
            found = below(place, say)
            if not found:
                say(f"{place} holds no journal; they end in .jsonl or .jsonl.gz")
            yield place, found
        elif place.exists():
            yield place.parent, [place]
        else:
            say(f"{place} does not exist")


def _frames(folder: Path, journals: list[Path], say: Say) -> Iterator[pl.DataFrame]:
    cache = Cache(folder)
    try:
        for path in one_by_one(journals, say):
            try:
                known = cache.known(path)
                frame = cache.judged(path) if known is None else known
            except JournalError as error:
                say(str(error))
                continue
            if fault := frame["fault"][0]:
                say(f"{path.parent / fault}")
            yield frame
    finally:  # also after Ctrl-C
        try:
            cache.save()
        except OSError as error:
            say(f"no cache in {folder}, so that the next call takes as long: {error.strerror}")


def _once(rows: pl.DataFrame, say: Say) -> pl.DataFrame:
    """Return the rows of each run from the journal that has most of its trials."""
    runs = rows.select("run", "path", "sha256", "trials").unique(maintain_order=True)
    best = runs.sort("trials", descending=True, maintain_order=True).unique(
        "run", keep="first", maintain_order=True
    )
    if repeated := len(runs) - len(best):
        say(f"{counted(repeated, 'copy of a run', 'copies of runs')} left out")
    return rows.join(best, on=["run", "path", "sha256", "trials"], how="semi").unique(
        ["run", "asked", "key"], keep="first", maintain_order=True
    )
