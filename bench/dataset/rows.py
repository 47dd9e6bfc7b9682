# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A trial as a row of the data set: what identifies it, what it was asked, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from bench.errors import JournalError
from bench.journal.distinct import place_id, trial_digest
from bench.judge.columns import TAKES
from bench.judge.duets import ERRORS
from bench.judge.load import children_of, state_of
from bench.judge.metrics import METRICS
from bench.judge.numbers import NUMBERS
from bench.measure.bins import Totals, read
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
    *(metric.key for metric in METRICS if metric.key in NUMBERS),
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
    # A histogram's counts as hdrh packs them. Null: without records, or damaged.
    "latency": pl.Binary,
    # At the first trial of an arm in each part, of all of them there that count.
    "arm_trials": pl.Int64,
    "arm_latency": pl.Binary,
}
SCHEMA: Final = pl.Schema(_OF_TRIAL | _NUMBERS | _OF_LATENCY)
JUDGED: Final = [*_OF_TRIAL, *_NUMBERS]
"""Columns that every report reads; those of latency are read where they are asked for."""


def frame_of(trials: Sequence[tuple[int, TrialResult]]) -> pl.DataFrame:
    """Return the rows of trials and their lines; "identity" lacks the machine's part."""
    rows = [_row(line, trial) for line, trial in trials]
    frame = pl.DataFrame(rows, schema=_OF_TRIAL | _NUMBERS, orient="row")
    latencies = zip(*_latencies(frame, [trial for _, trial in trials]), strict=True)
    of_latency = pl.DataFrame([*latencies], schema=_OF_LATENCY, orient="row")
    return frame.hstack(of_latency).select(SCHEMA.names())


def _row(line: int, trial: TrialResult) -> tuple[Any, ...]:
    duet = trial.half is not None
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
        children_of(trial),
        trial.storm.at_once or None,
        *_taken(trial, _OF_ALL),
        *(_taken(trial, _OF_DUETS) if duet else [None] * len(_OF_DUETS)),
        *(_taken(trial, _OF_SORTING) if trial.restored else [None] * len(_OF_SORTING)),
    )


def _taken(trial: TrialResult, keys: Sequence[str]) -> list[float | None]:
    return [TAKES[key](trial) for key in keys]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _latencies(
    frame: pl.DataFrame, trials: Sequence[TrialResult]
) -> tuple[list[bytes | None], list[int | None], list[bytes | None]]:
    """Return the columns of latencies; an arm has no sum if a histogram of it is damaged."""
    names: dict[tuple[str, str], int] = {}
    places = frame.select("experiment", "arm").rows()
    arms = np.array([names.setdefault(each, len(names)) for each in places], np.int64)
    counting = frame["state"].is_in([*COUNTED]).to_numpy()
    totals = Totals(len(names) + 1)  # the last one of trials that do not count
    texts: list[bytes | None] = []
    damaged = set()
    for trial, arm, counts in zip(trials, arms, counting, strict=True):
        text = None
        if trial.latency is not None and trial.latency.count:
            try:
                bins, text = read(trial.latency.histogram)
                totals.add(bins, np.array([arm if counts else len(names)]))
            except JournalError:
                damaged.add(int(arm))
        texts.append(text)
    numbers: list[int | None] = [None] * len(trials)
    sums: list[bytes | None] = [None] * len(trials)
    first = np.unique(arms, return_index=True)[1]
    for arm, total in zip(range(len(names)), totals.all(), strict=False):
        if arm not in damaged:
            numbers[first[arm]] = int(np.count_nonzero(counting[arms == arm]))
            sums[first[arm]] = total.packed()
    return texts, numbers, sums
