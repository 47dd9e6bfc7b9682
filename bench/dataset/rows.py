# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A trial as a row of the data set: what identifies it, what it was asked, and its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from bench.errors import JournalError
from bench.journal.distinct import place_id, trial_digest
from bench.judge.columns import TAKES
from bench.judge.load import load_of, state_of
from bench.judge.metrics import METRICS
from bench.judge.numbers import NUMBERS
from bench.judge.precision import ERRORS
from bench.measure.bins import Bins, Totals
from bench.measure.restoring import Sorting
from bench.trial.result import TrialResult

COUNTED: Final = ("valid", "noisy", "disturbed")
"""States of trials that count."""

_Schema = dict[str, pl.DataType | type[pl.DataType]]

_OF_TRIAL: Final[_Schema] = {
    "line": pl.Int64,  # of the journal, from 1
    "identity": pl.Int64,  # digest of what no other trial anywhere has
    "place": pl.Int64,  # digest of experiment, arm and block
    "experiment": pl.String,
    "arm": pl.String,
    "block": pl.Int64,
    "position": pl.Int64,
    "config": pl.String,  # JSON
    "started_utc": pl.String,
    "start_ns": pl.Int64,
    "end_ns": pl.Int64,
    "state": pl.String,  # as it would be recorded today
    "reasons": pl.String,  # JSON
    "lost_told": pl.String,  # JSON
    "duet": pl.Boolean,
    "children": pl.Int64,
    "at_once": pl.Int64,
}
_OF_ALL: Final = (
    *(metric.key for metric in METRICS if metric.of is None),
    *("own_attempted", "own_delivered", "own_dropped", "causal_pairs", "causal_violations"),
    *("missed", "torn", "latency_count", "wakeups_raised", "kernel_runs"),
    *(key for key in NUMBERS if key.startswith("latency_error_")),
)
"""Numbers that comparisons are made of; `bufbench report --format parquet` has all."""
_OF_DUETS: Final = tuple(f"{key}_error" for key in ERRORS)
_OF_SORTING: Final = tuple(
    key for key in NUMBERS if key.startswith(tuple(f"{by}_" for by in Sorting))
)
_NUMBERS: Final[_Schema] = dict.fromkeys((*_OF_ALL, *_OF_DUETS, *_OF_SORTING), pl.Float64)
_OF_LATENCY: Final[_Schema] = {
    # The bins of an HdrHistogram, each by its distance from the one before it, as 16-bit integers,
    # and their counts, as 64-bit ones. Null: without records, or damaged.
    "latency_steps": pl.Binary,
    "latency_counts": pl.Binary,
}
_OF_ARM: Final[_Schema] = {
    # At the first trial of an arm in each part, of all of them there that count.
    "arm_trials": pl.Int64,
    "arm_steps": pl.Binary,
    "arm_counts": pl.Binary,
}
SCHEMA: Final = pl.Schema({**_OF_TRIAL, **_NUMBERS, **_OF_LATENCY, **_OF_ARM})
JUDGED: Final = [*_OF_TRIAL, *_NUMBERS]
"""Columns that every report reads; those of latency are read where they are asked for."""


def frame_of(trials: Sequence[tuple[int, TrialResult]]) -> pl.DataFrame:
    """Return the rows of trials and their lines; "identity" lacks the machine's part."""
    rows = [_row(line, trial) for line, trial in trials]
    frame = pl.DataFrame(rows, schema=_OF_TRIAL | _NUMBERS, orient="row")
    given, bins = _latencies([trial for _, trial in trials])
    of_latency = zip(_OF_LATENCY, _packed(bins, given, len(rows)), strict=True)
    return frame.with_columns(
        *(pl.Series(name, column, pl.Binary) for name, column in of_latency),
        *_merged(frame, given, bins),
    ).select(SCHEMA.names())


def _row(line: int, trial: TrialResult) -> tuple[Any, ...]:
    load, duet = load_of(trial), trial.half is not None
    return (
        line,
        trial_digest(trial),
        place_id(trial),
        trial.experiment,
        str(trial.arm),
        trial.block,
        trial.position,
        _json(trial.config),
        trial.started_utc,
        trial.storm.start_ns,
        trial.storm.end_ns,
        state_of(trial).value,
        _json(trial.reasons),
        _json(trial.lost_told),
        duet,
        load.children,
        load.at_once,
        *_taken(trial, _OF_ALL),
        *(_taken(trial, _OF_DUETS) if duet else [None] * len(_OF_DUETS)),
        *(_taken(trial, _OF_SORTING) if trial.restored else [None] * len(_OF_SORTING)),
    )


def _taken(trial: TrialResult, keys: Sequence[str]) -> list[float | None]:
    return [TAKES[key](trial) for key in keys]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _latencies(trials: Sequence[TrialResult]) -> tuple[list[int], Bins]:
    """Return the rows that have records' latencies which can be decoded, and these."""
    given = {
        row: trial.latency.histogram
        for row, trial in enumerate(trials)
        if trial.latency is not None and trial.latency.count
    }
    try:
        return [*given], Bins.of(given.values())
    except JournalError:
        found = {row: bins for row, text in given.items() for bins in _decoded(text)}
        return [*found], Bins.joined([Bins.of([]), *found.values()])


def _packed(bins: Bins, to: Sequence[int], rows: int) -> tuple[list[bytes | None], ...]:
    """Return the histograms' steps and counts as bytes, each in its row of so many."""
    steps, counts = (column.tobytes() for column in (bins.steps().astype("<u2"), bins.counts))
    found: tuple[list[bytes | None], ...] = [None] * rows, [None] * rows
    start = 0
    for row, size in zip(to, bins.sizes.tolist(), strict=True):
        end = start + size
        found[0][row], found[1][row] = steps[2 * start : 2 * end], counts[8 * start : 8 * end]
        start = end
    return found


def _merged(frame: pl.DataFrame, given: Sequence[int], bins: Bins) -> list[pl.Series]:
    """Return the columns of each arm's sums; null where a histogram of the arm is damaged."""
    names: dict[tuple[str, str], int] = {}
    places = frame.select("experiment", "arm").rows()
    arms = np.array([names.setdefault(each, len(names)) for each in places], np.int64)
    counting = frame["state"].is_in([*COUNTED]).to_numpy()
    rows = np.array(given, np.int64)
    known = np.flatnonzero(counting[rows])
    totals = Totals(len(names))
    totals.add(bins.chosen(known), arms[rows[known]])
    numbers = np.bincount(arms[counting], minlength=len(names))
    damaged = frame["latency_count"].is_not_null().to_numpy()
    damaged[rows] = False
    whole = np.setdiff1d(np.arange(len(names)), arms[damaged])
    first = np.unique(arms, return_index=True)[1]
    trials: list[int | None] = [None] * len(frame)
    for at in whole.tolist():
        trials[first[at]] = int(numbers[at])
    sums = list(totals.all())
    steps, counts = _packed(
        Bins.joined([sums[at] for at in whole.tolist()]) if len(whole) else Bins.of([]),
        first[whole].tolist(),
        len(frame),
    )
    return [
        pl.Series("arm_trials", trials, pl.Int64),
        pl.Series("arm_steps", steps, pl.Binary),
        pl.Series("arm_counts", counts, pl.Binary),
    ]


def _decoded(histogram: str) -> Iterator[Bins]:
    with suppress(JournalError):
        yield Bins.of([histogram])
