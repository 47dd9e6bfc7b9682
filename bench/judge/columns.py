# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Give what is judged of the trials of one run as columns, an entry for each trial.

They come from trials in memory, or from a data set, which has no trial in memory before one is
asked for (bench/dataset/stored.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, compress
from math import nan
from operator import attrgetter
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from bench.judge.load import Load, load_of, state_of
from bench.judge.numbers import NUMBERS, At, Ratio, Take
from bench.judge.precision import ERRORS
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
"""Numbers of a trial, and the standard errors of some, of which only duets make use."""


@runtime_checkable
class Columns(Protocol):
    """Trials of one run by columns. Unknown numbers are NaN."""

    def __len__(self) -> int:
        """Count the trials."""

    def chosen(self, rows: Integers) -> Columns:
        """Return some of the trials, in the order of ``rows``."""

    def joined(self, others: Iterable[Any]) -> Columns:
        """Return these trials and those of ``others``, which are of the same kind."""

    def trials(self) -> tuple[TrialResult, ...]:
        """Return the trials themselves."""

    def arms(self) -> Iterator[tuple[str, ArmName, Integers]]:
        """Yield experiment, arm, and the rows of each, in the order in which they were met."""

    def blocks(self) -> Integers:
        """Return the block of each."""

    def starts_ns(self) -> Integers:
        """Return when the storm of each began."""

    def states(self) -> Sequence[State]:
        """Return the state of each, as it would be recorded today."""

    def reasons(self) -> Iterator[tuple[str, ...]]:
        """Yield why each is not valid, as recorded."""

    def loads(self) -> tuple[Integers, Sequence[Load]]:
        """Return the place of each one's load in the list that stands beside it."""

    def configs(self) -> tuple[Integers, Sequence[TrialConfig]]:
        """Return the place of each one's configuration in the list that stands beside it."""

    def duets(self) -> npt.NDArray[np.bool_]:
        """Return whether each shared its storms."""

    def number(self, key: str) -> Floats:
        """Return a number of ``TAKES``."""

    def lost_told(self) -> Iterator[dict[str, int]]:
        """Yield the kernel's own lost counts of each."""

    def bins(self) -> Bins:
        """Return the histogram of each one's latency, or an empty one. JournalError if damaged."""

    def merged_bins(self) -> Bins:
        """Return the histogram of all records' latencies. JournalError if one is damaged."""


class Numbers:
    """Take numbers of many trials at once: each part is looked up once, each field in one go."""

    def __init__(self, trials: Sequence[TrialResult]) -> None:
        self._number = len(trials)
        self._parts: dict[str, tuple[Integers, list[Any]]] = {
            "": (np.arange(len(trials)), [*trials])
        }

    def of(self, take: Take) -> Floats:
        """Return a number of each trial; NaN where it is unknown or means nothing."""
        match take:
            case At():
                rows, parts = self._having(take.part)
                found = np.full(self._number, nan)
                found[rows] = np.array([*map(attrgetter(take.field), parts)], np.float64)
                if take.counted is not None:
                    found[self.of(take.counted) == 0] = nan
                return found
            case Ratio():
                above, below = self.of(take.above), self.of(take.below)
                return above / np.where(below > 0, below, nan) / take.units
        return np.array([*map(take, self._parts[""][1])], np.float64)

    def _having(self, part: str) -> tuple[Integers, list[Any]]:
        """Return the rows of the trials that have a part, and the parts."""
        if part not in self._parts:
            outer, _, name = part.rpartition(".")
            rows, outers = self._having(outer)
            parts = [*map(attrgetter(name), outers)]
            there = [each is not None for each in parts]
            self._parts[part] = rows[there], [*compress(parts, there)]
        return self._parts[part]


class OfTrials:
    """Columns of trials in memory."""

    def __init__(self, trials: Sequence[TrialResult]) -> None:
        self._trials = tuple(trials)
        self._numbers = Numbers(self._trials)

    def __len__(self) -> int:
        return len(self._trials)

    def chosen(self, rows: Integers) -> OfTrials:
        """Return some of the trials."""
        return OfTrials([self._trials[row] for row in rows.tolist()])

    def joined(self, others: Iterable[OfTrials]) -> OfTrials:
        """Return these trials and others."""
        return OfTrials([*self._trials, *chain.from_iterable(each.trials() for each in others)])

    def trials(self) -> tuple[TrialResult, ...]:
        """Return the trials themselves."""
        return self._trials

    def arms(self) -> Iterator[tuple[str, ArmName, Integers]]:
        """Yield experiment, arm, and the rows of each."""
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
        """Return the state of each."""
        return [state_of(trial) for trial in self._trials]

    def reasons(self) -> Iterator[tuple[str, ...]]:
        """Yield why each is not valid."""
        return (trial.reasons for trial in self._trials)

    def loads(self) -> tuple[Integers, Sequence[Load]]:
        """Return the load of each."""
        return _listed(map(load_of, self._trials))

    def configs(self) -> tuple[Integers, Sequence[TrialConfig]]:
        """Return the configuration of each."""
        return _listed(trial.config for trial in self._trials)

    def duets(self) -> npt.NDArray[np.bool_]:
        """Return whether each shared its storms."""
        return np.array([trial.half is not None for trial in self._trials], np.bool_)

    def number(self, key: str) -> Floats:
        """Return a number of each."""
        return self._numbers.of(TAKES[key])

    def lost_told(self) -> Iterator[dict[str, int]]:
        """Yield the kernel's own lost counts of each."""
        return (trial.lost_told for trial in self._trials)

    def bins(self) -> Bins:
        """Return the histogram of each one's latency."""
        found = [
            (row, trial.latency.histogram)
            for row, trial in enumerate(self._trials)
            if trial.latency is not None and trial.latency.count
        ]
        bins = Bins.of(histogram for _, histogram in found)
        sizes = np.zeros(len(self._trials), np.int64)
        sizes[[row for row, _ in found]] = bins.sizes
        return Bins(bins=bins.bins, counts=bins.counts, sizes=sizes)

    def merged_bins(self) -> Bins:
        """Return the histogram of all records' latencies."""
        return self.bins().merged()


def columns_of(trials: Sequence[TrialResult]) -> Columns:
    """Return the columns of ``trials``, which may have their own."""
    return trials if isinstance(trials, Columns) else OfTrials(trials)


def _listed(values: Iterable[T]) -> tuple[Integers, Sequence[T]]:
    known: dict[T, int] = {}
    places = [known.setdefault(each, len(known)) for each in values]
    return np.array(places, np.int64), list(known)
