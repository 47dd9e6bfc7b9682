# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read trials of a data set: their columns at once, a trial itself only on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import Any, Final, TypeVar, overload

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from bench.dataset.rows import SCHEMA
from bench.errors import JournalError
from bench.journal.reader import lines_of, values_of
from bench.journal.schema import Trials
from bench.judge.columns import Columns
from bench.judge.load import Load
from bench.measure.bins import Bins, Totals
from bench.measure.columns import Floats, Integers
from bench.plan.config import TrialConfig
from bench.plan.experiments import ArmName
from bench.trial.result import State, TrialResult

T = TypeVar("T")
JOURNAL, PART, ROW = "journal", "part", "row"
"""Columns beside those of the data set: indices of the places, and of the row there."""

_MANY: Final = 50  # one in so many
_MOST_KEPT: Final = 20_000  # trials of a run that may be in memory
_OF_ARM: Final = ("experiment", "arm", "arm_trials", "arm_latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files that the rows of frames come from."""

    journals: list[Path] = field(default_factory=list)
    parts: list[Path] = field(default_factory=list)

    def of_journal(self, path: Path) -> int:
        """Return the index of a journal, whose runs follow one another."""
        if not self.journals or self.journals[-1] != path:
            self.journals.append(path)
        return len(self.journals) - 1


def read_part(path: Path, names: Sequence[str]) -> pl.DataFrame:
    """Return columns of a part. JournalError where it is torn or foreign."""
    with suppress(OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        found = pl.read_parquet(path, columns=[*names])
        if all(found.schema[name] == SCHEMA[name] for name in names):
            return found
    raise JournalError(f"{path} is damaged", remedy="remove it: what it held is read anew")


class Table:
    """The rows of one run, and what has been computed from them so far."""

    def __init__(self, files: Files, frame: pl.DataFrame) -> None:
        self.files = files
        self.frame = frame
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._listed: dict[tuple[str, ...], tuple[Integers, list[tuple[Any, ...]]]] = {}
        self._merged: dict[tuple[str, str], tuple[float, Bins]] | None = None
        self._trials: tuple[TrialResult, ...] | None = None

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return a column; NaN is null."""
        if name not in self._arrays:
            known = name in self.frame.columns
            column = (self.frame if known else self.read([name]))[name]
            if column.dtype == pl.Float64:
                column = column.fill_null(nan)
            self._arrays[name] = column.to_numpy()
        return self._arrays[name]

    def listed(self, *names: str) -> tuple[Integers, list[tuple[Any, ...]]]:
        """Return each row's place in a list of distinct values, and the list."""
        if names not in self._listed:
            known: dict[tuple[Any, ...], int] = {}
            rows = self.frame.select(names).rows()
            places = np.array([known.setdefault(row, len(known)) for row in rows], np.int64)
            self._listed[names] = places, [*known]
        return self._listed[names]

    def read(self, names: Sequence[str], rows: Integers | None = None) -> pl.DataFrame:
        """Read columns that are not in memory."""
        parts, places = self.array(PART), self.array(ROW)
        rows = np.arange(len(self.frame)) if rows is None else rows
        frames, order = [], []
        for part in np.unique(parts[rows]).tolist():
            here = np.flatnonzero(parts[rows] == part)
            columns = read_part(self.files.parts[part], names)
            frames.append(columns[places[rows[here]]])
            order.append(here)
        if not frames:
            return pl.DataFrame(schema={name: SCHEMA[name] for name in names})
        if len(frames) == 1:
            return frames[0]
        return pl.concat(frames)[np.argsort(np.concatenate(order))]

    def trials(self, rows: Integers) -> tuple[TrialResult, ...]:
        """Read trials from their journals; who asks for many is given all, and will ask again."""
        if self._trials is None and len(rows) * _MANY > len(self.frame) <= _MOST_KEPT:
            self._trials = self._read_trials(np.arange(len(self.frame)))
        if self._trials is None:
            return self._read_trials(rows)
        return tuple(self._trials[row] for row in rows.tolist())

    def _read_trials(self, rows: Integers) -> tuple[TrialResult, ...]:
        journals, lines = (self.array(name)[rows] for name in (JOURNAL, "line"))
        found: dict[tuple[int, int], TrialResult] = {}
        for at in np.unique(journals).tolist():
            read = _read(self.files.journals[at], {*lines[journals == at].tolist()})
            found |= {(at, line): trial for line, trial in read.items()}
        return tuple(found[each] for each in zip(journals.tolist(), lines.tolist(), strict=True))

    def bins(self, rows: Integers) -> Bins:
        """Read histograms, of which each trial with a count of records has to have one."""
        found = _unpacked(self.read(["latency"], rows)["latency"])
        if ((found.sizes == 0) & ~np.isnan(self.array("latency_count")[rows])).any():
            raise JournalError("a latency histogram cannot be decoded")
        return found

    def by_arm(self) -> dict[tuple[str, str], tuple[float, Bins]]:
        """Return how many trials of each arm count, and the histogram of all of them."""
        if self._merged is None:
            names: dict[tuple[str, str], int] = {}
            parts = []
            for part in np.unique(self.array(PART)).tolist():
                of_arm = read_part(self.files.parts[part], _OF_ARM)
                parts.append(of_arm.filter(pl.col("arm_trials").is_not_null()))
            rows = pl.concat(parts)
            places = rows.select("experiment", "arm").rows()
            arms = np.array([names.setdefault(each, len(names)) for each in places], np.int64)
            totals = Totals(len(names))
            totals.add(_unpacked(rows["arm_latency"]), arms)
            numbers = np.bincount(arms, rows["arm_trials"].to_numpy(), len(names)).tolist()
            self._merged = dict(zip(names, zip(numbers, totals.all(), strict=True), strict=True))
        return self._merged


class Stored(Columns, Sequence[TrialResult]):
    """Trials of one run, as rows: bench/judge/columns.py says what the columns mean."""

    def __init__(self, table: Table, rows: Integers | None = None) -> None:
        self._table = table
        self._rows = np.arange(len(table.frame)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> TrialResult: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[TrialResult]: ...
    def __getitem__(self, at: int | slice) -> TrialResult | Sequence[TrialResult]:
        if isinstance(at, slice):
            return self.chosen(np.arange(len(self))[at])
        (found,) = self.chosen(np.array([range(len(self))[at]])).trials()
        return found

    def __iter__(self) -> Iterator[TrialResult]:
        return iter(self.trials())

    def identities(self) -> Sequence[int]:
        """Return what identifies each trial."""
        return [*self._array("identity").tolist()]

    def places(self) -> Sequence[int]:
        """Return what no two trials of a run share."""
        return [*self._array("place").tolist()]

    def having(self, rows: Sequence[int]) -> Stored:
        """Return some of the trials."""
        return Stored(Table(self._table.files, self._frame()[np.array(rows, np.int64)]))

    def joined(self, others: Iterable[Trials]) -> Stored:
        """Return these trials and others of the data set."""
        frames = [each._frame() for each in others if isinstance(each, Stored)]  # noqa: SLF001
        return Stored(Table(self._table.files, pl.concat([self._frame(), *frames])))

    def chosen(self, rows: Integers) -> Stored:
        """Return some of the trials, in the order of ``rows``."""
        return Stored(self._table, self._rows[rows])

    def trials(self) -> tuple[TrialResult, ...]:
        """Read the trials themselves from their journals."""
        return self._table.trials(self._rows)

    def arms(self) -> Iterator[tuple[str, ArmName, Integers]]:
        """Yield experiment, arm, and the rows of each."""
        of, names = self._listed("experiment", "arm")
        order = np.argsort(of, kind="stable")
        ends = np.cumsum(np.bincount(of, minlength=len(names)))
        groups = [rows for rows in np.split(order, ends[:-1]) if len(rows)] if len(of) else []
        for rows in sorted(groups, key=lambda rows: int(rows[0])):
            experiment, arm = names[of[rows[0]]]
            yield experiment, ArmName.parse(arm), rows

    def blocks(self) -> Integers:
        """Return the block of each."""
        return self._array("block")

    def starts_ns(self) -> Integers:
        """Return when the storm of each began."""
        return self._array("start_ns")

    def states(self) -> Sequence[State]:
        """Return the state of each."""
        return [*self._made("state", State)]

    def reasons(self) -> Iterator[tuple[str, ...]]:
        """Yield why each is not valid."""
        return self._made("reasons", lambda text: tuple(json.loads(text)))

    def loads(self) -> tuple[Integers, Sequence[Load]]:
        """Return the load of each."""
        of, rows = self._listed("config", "children", "at_once")
        return of, [
            Load(asked=replace(_config(text).storm, seed=0), children=children, at_once=at_once)
            for text, children, at_once in rows
        ]

    def configs(self) -> tuple[Integers, Sequence[TrialConfig]]:
        """Return the configuration of each."""
        of, rows = self._listed("config")
        return of, [_config(text) for (text,) in rows]

    def duets(self) -> npt.NDArray[np.bool_]:
        """Return whether each shared its storms."""
        return self._array("duet")

    def number(self, key: str) -> Floats:
        """Return a number of each."""
        return self._array(key)

    def lost_told(self) -> Iterator[dict[str, int]]:
        """Yield the kernel's own lost counts of each."""
        return self._made("lost_told", json.loads)

    def bins(self) -> Bins:
        """Read the histogram of each one's latency."""
        return self._table.bins(self._rows)

    def merged_bins(self) -> Bins:
        """Return the histogram of all records' latencies, which for a whole arm is made once."""
        _, (names, *others) = self._listed("experiment", "arm")
        count, merged = self._table.by_arm().get(names, (0, None))
        if others or merged is None or count != len(self):
            return self.bins().merged()
        return merged

    def _array(self, name: str) -> npt.NDArray[Any]:
        return self._table.array(name)[self._rows]

    def _frame(self) -> pl.DataFrame:
        return self._table.frame[self._rows]

    def _made(self, name: str, of: Callable[[str], T]) -> Iterator[T]:
        """Yield what ``of`` makes of each one's text, made once of each text."""
        at, texts = self._listed(name)
        made = [of(text) for (text,) in texts]
        return (made[place] for place in at.tolist())

    def _listed(self, *names: str) -> tuple[Integers, list[tuple[Any, ...]]]:
        """Return the place of each one's values in a list of those that it has."""
        places, values = self._table.listed(*names)
        here = places[self._rows]
        met = np.flatnonzero(np.bincount(here))
        return np.searchsorted(met, here), [values[at] for at in met.tolist()]


def _read(journal: Path, lines: set[int]) -> dict[int, TrialResult]:
    """Return the trials on some lines of a journal; JournalError if it has become another."""
    found = {
        number: value
        for number, line in lines_of(journal)
        if number in lines
        for value in values_of(number, line)
        if isinstance(value, TrialResult)
    }
    if len(found) < len(lines):
        raise JournalError(f"journal {journal} has changed meanwhile", remedy="try again")
    return found


def _unpacked(texts: pl.Series) -> Bins:
    try:
        return Bins.unpacked([text or b"" for text in texts.to_list()])
    except ValueError as error:
        raise JournalError("a latency histogram cannot be decoded") from error


@lru_cache(maxsize=4096)
def _config(text: str) -> TrialConfig:
    return msgspec.json.decode(text, type=TrialConfig)
