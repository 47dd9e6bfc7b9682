# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide what is judged of the trials of one run as columns, an entry for each trial.

A data set has its own columns, and reads a trial only on demand (bench/dataset/stored.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, compress
from math import nan
from operator import attrgetter
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from bench.judge.duets import ERRORS
from bench.judge.load import Load, load_of, state_of
from bench.judge.numbers import NUMBERS, At, Known, Ratio, Take
from bench.measure.bins import Bins
from bench.measure.columns import Floats, Integers
from bench.plan.config import TrialConfig
from bench.plan.experiments import ArmName
from bench.trial.result import State, TrialResult

T = TypeVar("T")

TAKES: Final[dict[str, Take]] = {
    **{key: each.of for key, each in NUMBERS.items()},
    **{f"{key}_error": partial(of) for key, of in ERRORS.items()},
}
"""Numbers of a trial, and the standard errors of some, which only duets use."""


class Numbers:
    """Take numbers of many trials at once: each part is looked up once, each field in one go."""

    def __init__(self, trials: Sequence[TrialResult]) -> None:
        self._trials = trials
        self._parts: dict[str, tuple[Integers, list[Any]]] = {
            "": (np.arange(len(trials)), [*trials])
        }

    def of(self, take: Take) -> Floats:
        """Return a number of each trial; NaN where it is unknown or meaningless."""
        match take:
            case At():
                rows, parts = self._having(take.part)
                found = np.full(len(self._trials), nan)
                found[rows] = np.array([*map(attrgetter(take.field), parts)], np.float64)
                return found
            case Ratio():
                above, below = self.of(take.above), self.of(take.below)
                return above / np.where(below > 0, below, nan)
            case Known():
                some = np.nan_to_num(self.of(take.counted)) != 0
                return np.where(some, self.of(take.of), nan)
        return np.array([*map(take, self._trials)], np.float64)

    def _having(self, part: str) -> tuple[Integers, list[Any]]:
        """Return the rows of the trials that have a part, and the parts."""
        if part not in self._parts:
            outer, _, name = part.rpartition(".")
            rows, outers = self._having(outer)
            parts = [*map(attrgetter(name), outers)]
            there = [each is not None for each in parts]
            self._parts[part] = rows[there], [*compress(parts, there)]
        return self._parts[part]


class Columns:
    """Hold trials of one run by columns, here from memory. Unknown numbers are NaN."""

    def __init__(self, trials: Sequence[TrialResult]) -> None:
        self._trials = tuple(trials)
        self._numbers = Numbers(self._trials)

    def __len__(self) -> int:
        return len(self._trials)

    def chosen(self, rows: Integers) -> Columns:
        """Return some of the trials, in the order of ``rows``."""
        return Columns([self._trials[row] for row in rows.tolist()])

    def joined(self, others: Iterable[Columns]) -> Columns:
        """Return these trials and those of ``others``, which are of the same kind."""
        return Columns([*self._trials, *chain.from_iterable(each.trials() for each in others)])

    def trials(self) -> tuple[TrialResult, ...]:
        """Return the trials themselves."""
        return self._trials

    def arms(self) -> Iterator[tuple[str, ArmName, Integers]]:
        """Yield experiment, arm, and the rows of each, in the order of their first trials."""
        found: dict[tuple[str, ArmName], list[int]] = {}
        for row, trial in enumerate(self._trials):
            found.setdefault((trial.experiment, trial.arm), []).append(row)
        for (experiment, arm), rows in found.items():
            yield experiment, arm, np.array(rows, np.int64)

    def blocks(self) -> Integers:
        """Return the block of each."""
        return np.array([trial.block for trial in self._trials], np.int64)

    def starts_ns(self) -> Integers:
        """Return when the storm of each began."""
        return np.array([trial.storm.start_ns for trial in self._trials], np.int64)

    def states(self) -> Sequence[State]:
        """Return the state of each, as it would be recorded today."""
        return [state_of(trial) for trial in self._trials]

    def reasons(self) -> Iterator[tuple[str, ...]]:
        """Yield why each is not valid, as recorded."""
        return (trial.reasons for trial in self._trials)

    def loads(self) -> tuple[Integers, Sequence[Load]]:
        """Return the index of each trial's load in a list of the distinct ones, and the list."""
        return _listed(map(load_of, self._trials))

    def configs(self) -> tuple[Integers, Sequence[TrialConfig]]:
        """Return the index of each trial's configuration in a list of distinct ones, and it."""
        return _listed(trial.config for trial in self._trials)

    def duets(self) -> npt.NDArray[np.bool_]:
        """Return whether each shared its storms."""
        return np.array([trial.half is not None for trial in self._trials], np.bool_)

    def number(self, key: str) -> Floats:
        """Return a number of ``TAKES``."""
        return self._numbers.of(TAKES[key])

    def lost_told(self) -> Iterator[dict[str, int]]:
        """Yield the kernel's own lost counts of each."""
        return (trial.lost_told for trial in self._trials)

    def bins(self) -> Bins:
        """Return the histogram of each one's latency, or an empty one. JournalError if damaged."""
        latencies = (trial.latency for trial in self._trials)
        return Bins.of(each.histogram if each and each.count else None for each in latencies)

    def merged_bins(self) -> Bins:
        """Return the histogram of all records' latencies. JournalError if one is damaged."""
        return self.bins().merged()


def columns_of(trials: Sequence[TrialResult]) -> Columns:
    """Return the columns of ``trials``, which may have their own."""
    return trials if isinstance(trials, Columns) else Columns(trials)


def _listed(values: Iterable[T]) -> tuple[Integers, Sequence[T]]:
    known: dict[T, int] = {}
    places = [known.setdefault(each, len(known)) for each in values]
    return np.array(places, np.int64), list(known)
