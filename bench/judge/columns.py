# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Give what is judged of the trials of one run as columns, an entry for each trial.

A data set has columns of its own, and no trial in memory before one is asked for
(bench/dataset/stored.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import nan
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from bench.judge.duets import ERRORS
from bench.judge.load import Load, load_of, state_of
from bench.judge.numbers import NUMBERS
from bench.measure.bins import Bins
from bench.measure.columns import Floats, Integers
from bench.plan.config import TrialConfig
from bench.plan.experiments import ArmName
from bench.trial.result import State, TrialResult

T = TypeVar("T")

TAKES: Final[dict[str, Callable[[TrialResult], float | None]]] = {
    **{key: each.of for key, each in NUMBERS.items()},
    **{f"{key}_error": partial(of) for key, of in ERRORS.items()},
}
"""Numbers of a trial, and the standard errors of some, of which only duets make use."""


class Columns:
    """Trials of one run by columns, here from memory. Unknown numbers are NaN."""

    def __init__(self, trials: Sequence[TrialResult]) -> None:
        self._trials = tuple(trials)

    def __len__(self) -> int:
        return len(self._trials)

    def chosen(self, rows: Integers) -> Columns:
        """Return some of the trials, in the order of ``rows``."""
        return Columns([self._trials[row] for row in rows.tolist()])

    def trials(self) -> tuple[TrialResult, ...]:
        """Return the trials themselves."""
        return self._trials

    def arms(self) -> Iterator[tuple[str, ArmName, Integers]]:
        """Yield experiment, arm, and the rows of each, in the order in which they were met."""
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
        """Return the place of each one's load in the list that stands beside it."""
        return _listed(map(load_of, self._trials))

    def configs(self) -> tuple[Integers, Sequence[TrialConfig]]:
        """Return the place of each one's configuration in the list that stands beside it."""
        return _listed(trial.config for trial in self._trials)

    def duets(self) -> npt.NDArray[np.bool_]:
        """Return whether each shared its storms."""
        return np.array([trial.half is not None for trial in self._trials], np.bool_)

    def number(self, key: str) -> Floats:
        """Return a number of ``TAKES``."""
        taken = map(TAKES[key], self._trials)
        return np.array([nan if value is None else value for value in taken], np.float64)

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
