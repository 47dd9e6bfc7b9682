# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read trials of a data set: their columns at once, a trial itself only on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import Any, Final, TypeVar, overload

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from bench.dataset.rows import JUDGED, SCHEMA
from bench.errors import JournalError
from bench.journal.reader import lines_of, values_of
from bench.judge.columns import Columns
from bench.judge.load import Load
from bench.measure.bins import Bins
from bench.measure.columns import Floats, Integers
from bench.plan.config import TrialConfig
from bench.plan.experiments import ArmName
from bench.trial.result import State, TrialResult

T = TypeVar("T")
_MANY: Final = 50  # 1 / share of the trials
_MOST_KEPT: Final = 20_000  # trials of a journal that may be in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Point to trials of a journal that follow one another, in a file."""

    path: Path
    journal: Path
    trials: int


def read_parts(parts: Sequence[Part], names: Sequence[str]) -> pl.DataFrame:
    """Return columns of parts, one after the other. JournalError where one is torn or foreign."""
    if not parts:
        return pl.DataFrame(schema={name: SCHEMA[name] for name in names})
    with suppress(OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        paths = [part.path for part in parts]
        found = pl.read_parquet(paths, columns=[*names], glob=False, hive_partitioning=False)
        whole = len(found) == sum(part.trials for part in parts)
        if whole and all(found.schema[name] == SCHEMA[name] for name in names):
            return found
    if len(parts) > 1:  # find out which
        return pl.concat([read_parts([part], names) for part in parts])
    raise JournalError(
        f"{parts[0].path} is damaged", remedy="remove it: its journals are read again"
    )


class Table:
    """Hold the rows of one machine, and what has been computed from them so far."""

    def __init__(self, parts: Sequence[Part], digest: int) -> None:
        """Read the rows of ``parts``; ``digest`` is the machine's."""
        self._parts = parts
        self._journals = [*dict.fromkeys(part.journal for part in parts)]
        index = {path: at for at, path in enumerate(self._journals)}
        sizes = [part.trials for part in parts]
        frame = read_parts(parts, JUDGED)
        self._frame = frame.with_columns(identity=pl.col("identity") ^ pl.lit(digest, pl.Int64))
        self.part: Integers = np.repeat(np.arange(len(parts)), sizes)
        self._journal: Integers = np.repeat([index[part.journal] for part in parts], sizes)
        self._ends: Integers = np.cumsum(sizes, dtype=np.int64)
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._listed: dict[tuple[str, ...], tuple[Integers, list[tuple[Any, ...]]]] = {}
        self._sums: dict[tuple[int, str, str], tuple[int, bytes]] | None = None
        self._kept: dict[int, dict[int, TrialResult]] = {}

    def __len__(self) -> int:
        return len(self._frame)

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return a column; NaN is null."""
        if name not in self._arrays:
            known = name in self._frame.columns
            column = self._frame[name] if known else read_parts(self._parts, [name])[name]
            if column.dtype == pl.Float64:
                column = column.fill_null(nan)
            self._arrays[name] = column.to_numpy()
        return self._arrays[name]

    def listed(self, *names: str) -> tuple[Integers, list[tuple[Any, ...]]]:
        """Return each row's place in a list of distinct values, and the list."""
        if names not in self._listed:
            of = self._frame.select(names)
            values = of.unique(maintain_order=True)
            at = values.with_row_index("at")
            places = of.join(at, on=names, how="left", nulls_equal=True, maintain_order="left")
            self._listed[names] = places["at"].to_numpy().astype(np.int64), values.rows()
        return self._listed[names]

    def trials(self, rows: Integers) -> tuple[TrialResult, ...]:
        """Read trials from their journals: all if many are requested, since more will be."""
        journals, lines = self._journal[rows], self.array("line")[rows]
        found: dict[tuple[int, int], TrialResult] = {}
        for at in np.unique(journals).tolist():
            read = self._of_journal(at, {*lines[journals == at].tolist()})
            found |= {(at, line): trial for line, trial in read.items()}
        return tuple(found[each] for each in zip(journals.tolist(), lines.tolist(), strict=True))

    def _of_journal(self, at: int, lines: set[int]) -> dict[int, TrialResult]:
        if at not in self._kept:
            others = {*self.array("line")[self._journal == at].tolist()}
            if not len(lines) * _MANY > len(others) <= _MOST_KEPT:
                return _read(self._journals[at], lines)
            self._kept[at] = _read(self._journals[at], others)
        return {line: self._kept[at][line] for line in lines}

    def bins(self, rows: Integers) -> Bins:
        """Read histograms; each trial with a count of records must have one."""
        parts = self.part[rows]
        met, here = np.unique(parts, return_inverse=True)
        some = [self._parts[part] for part in met.tolist()]
        sizes = np.array([part.trials for part in some], np.int64)
        places = rows - (self._ends - [part.trials for part in self._parts])[parts]
        texts = read_parts(some, ["latency"])["latency"]
        found = _unpacked(texts[(np.cumsum(sizes) - sizes)[here] + places])
        if ((found.sizes == 0) & ~np.isnan(self.array("latency_count")[rows])).any():
            raise JournalError("a latency histogram cannot be decoded")
        return found

    def sums(self) -> dict[tuple[int, str, str], tuple[int, bytes]]:
        """Return how many trials of each arm in a part count, and the histogram of all of them."""
        if self._sums is None:
            names = ("experiment", "arm", "arm_trials", "arm_latency")
            of = read_parts(self._parts, names).with_columns(part=pl.Series(self.part))
            rows = of.filter(pl.col("arm_trials").is_not_null()).select("part", *names).rows()
            self._sums = {(part, *arm): (number, text) for part, *arm, number, text in rows}
        return self._sums


class Stored(Columns, Sequence[TrialResult]):
    """Hold trials of one machine as rows: bench/judge/columns.py says what the columns mean."""

    def __init__(self, table: Table, rows: Integers) -> None:
        self._table = table
        self._rows = rows

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
        """Return a key that identifies each trial."""
        return [*self._array("identity").tolist()]

    def places(self) -> Sequence[int]:
        """Return a key for each trial that no two of a run share."""
        return [*self._array("place").tolist()]

    def having(self, rows: Sequence[int]) -> Stored:
        """Return some of the trials."""
        return self.chosen(np.array(rows, np.int64))

    def joined(self, others: Iterable[object]) -> Stored:
        """Return these trials and others of the machine."""
        rows = [each._rows for each in others if isinstance(each, Stored)]  # noqa: SLF001
        return Stored(self._table, np.concatenate([self._rows, *rows]))

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
        """Return the histogram of all records' latencies; a whole arm's is stored."""
        _, arms = self._listed("experiment", "arm")
        parts, numbers = np.unique(self._table.part[self._rows], return_counts=True)
        sums = self._table.sums()
        found = [sums.get((part, *arm), (0, b"")) for part in parts.tolist() for arm in arms]
        if [number for number, _ in found] != numbers.tolist():
            return self.bins().merged()
        return _unpacked([text for _, text in found]).merged()

    def _array(self, name: str) -> npt.NDArray[Any]:
        return self._table.array(name)[self._rows]

    def _made(self, name: str, of: Callable[[str], T]) -> Iterator[T]:
        """Yield the value that ``of`` makes from each one's text, once per distinct text."""
        at, texts = self._listed(name)
        made = [of(text) for (text,) in texts]
        return (made[place] for place in at.tolist())

    def _listed(self, *names: str) -> tuple[Integers, list[tuple[Any, ...]]]:
        """Return the index of each one's values in a list of the distinct ones, and the list."""
        places, values = self._table.listed(*names)
        here = places[self._rows]
        met = np.flatnonzero(np.bincount(here))
        return np.searchsorted(met, here), [values[at] for at in met.tolist()]


def _read(journal: Path, lines: set[int]) -> dict[int, TrialResult]:
    """Return the trials on some lines of a journal; JournalError if it has changed."""
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


def _unpacked(texts: Iterable[bytes | None]) -> Bins:
    try:
        return Bins.unpacked([text or b"" for text in texts])
    except ValueError as error:
        raise JournalError("a latency histogram cannot be decoded") from error


@lru_cache(maxsize=4096)
def _config(text: str) -> TrialConfig:
    return msgspec.json.decode(text, type=TrialConfig)
