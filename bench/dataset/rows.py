# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make a row of the data set from a trial: its identity, its configuration and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from bench.journal.distinct import place_id, trial_digest
from bench.judge.columns import Columns
from bench.judge.duets import ERRORS
from bench.judge.load import children_of, state_of
from bench.judge.metrics import METRICS
from bench.judge.numbers import NUMBERS
from bench.measure.bins import Totals, read
from bench.measure.restoring import Sorting
from bench.trial.result import TrialResult

COUNTED: Final = ("valid", "noisy", "disturbed")
"""States of trials that count."""

_Take = Callable[[TrialResult], Any]


def _json(of: _Take) -> _Take:
    return lambda trial: msgspec.json.encode(of(trial)).decode()


def _shared(trial: TrialResult) -> bool:
    return trial.half is not None


def _label(trial: TrialResult) -> str:
    return str(trial.arm)


_OF_TRIAL: Final[dict[str, tuple[type[pl.DataType], _Take]]] = {
    "identity": (pl.Int64, trial_digest),  # unique to the trial
    "place": (pl.Int64, place_id),  # digest of experiment, arm and block
    "experiment": (pl.String, attrgetter("experiment")),
    "arm": (pl.String, _label),
    "block": (pl.Int64, attrgetter("block")),
    "position": (pl.Int64, attrgetter("position")),
    "config": (pl.String, _json(attrgetter("config"))),
    "started_utc": (pl.String, attrgetter("started_utc")),
    "start_ns": (pl.Int64, attrgetter("storm.start_ns")),
    "end_ns": (pl.Int64, attrgetter("storm.end_ns")),
    "state": (pl.String, state_of),  # as it would be recorded today
    "reasons": (pl.String, _json(attrgetter("reasons"))),
    "lost_told": (pl.String, _json(attrgetter("lost_told"))),
    "duet": (pl.Boolean, _shared),
    "children": (pl.Int64, children_of),
    "at_once": (pl.Int64, lambda trial: trial.storm.at_once or None),
}
_OF_ALL: Final = (
    *(metric.key for metric in METRICS if metric.key in NUMBERS),
    *("own_attempted", "own_delivered", "own_dropped", "causal_pairs", "causal_violations"),
    *("reaped", "missed", "torn", "latency_count", "wakeups_raised", "kernel_runs"),
    *(key for key in NUMBERS if key.startswith("latency_error_")),
)
"""Numbers that comparisons are made of; `bufbench report --format parquet` has all."""
_OF_DUETS: Final = tuple(f"{key}_error" for key in ERRORS)
_OF_SORTING: Final = tuple(
    key for key in NUMBERS if key.startswith(tuple(f"{by}_" for by in Sorting))
)
_OF_LATENCY: Final[dict[str, type[pl.DataType]]] = {
    # A histogram's counts as hdrh packs them. Null: without records, or damaged.
    "latency": pl.Binary,
    # At the first trial of an arm in each part: sums over all of its trials there that count.
    "arm_trials": pl.Int64,
    "arm_latency": pl.Binary,
}
JUDGED: Final = ["line", *_OF_TRIAL, *_OF_ALL, *_OF_DUETS, *_OF_SORTING]
"""Columns that every report reads; those of latency are read on demand."""
_KINDS: Final[dict[str, type[pl.DataType]]] = {
    **dict.fromkeys(JUDGED, pl.Float64),
    "line": pl.Int64,  # of the journal, from 1
    **{name: kind for name, (kind, _) in _OF_TRIAL.items()},
    **_OF_LATENCY,
}
SCHEMA: Final = pl.Schema(_KINDS)


def frame_of(numbered: Sequence[tuple[int, TrialResult]]) -> pl.DataFrame:
    """Return the rows of trials and their lines; "identity" lacks the machine's part."""
    lines, trials = zip(*numbered, strict=True)
    columns: dict[str, Any] = {"line": lines}
    for name, (_, of) in _OF_TRIAL.items():
        columns[name] = [*map(of, trials)]
    duets = np.array(columns["duet"], np.bool_)
    sorted_ = np.array([bool(trial.restored) for trial in trials], np.bool_)
    everywhere = np.ones(len(trials), np.bool_)
    for keys, having in ((_OF_ALL, everywhere), (_OF_DUETS, duets), (_OF_SORTING, sorted_)):
        rows = np.flatnonzero(having)
        some = Columns([trials[row] for row in rows.tolist()])
        for key in keys:
            columns[key] = np.full(len(trials), nan)
            columns[key][rows] = some.number(key)
    return pl.DataFrame(columns | _latencies(columns, trials), schema=SCHEMA, nan_to_null=True)


def _latencies(columns: dict[str, Any], trials: Sequence[TrialResult]) -> dict[str, Any]:
    """Return the columns of latencies; an arm has no sum if a histogram of it is damaged."""
    names: dict[tuple[str, str], int] = {}
    places = zip(columns["experiment"], columns["arm"], strict=True)
    arms = np.array([names.setdefault(each, len(names)) for each in places], np.int64)
    counting = np.array([state in COUNTED for state in columns["state"]], np.bool_)
    found = [
        each.latency.histogram if each.latency is not None and each.latency.count else None
        for each in trials
    ]
    totals = Totals(len(names) + 1)  # the last one of trials that do not count
    to = np.where(counting, arms, len(names))
    texts: list[bytes | None] = []
    for bins, some in read(found):
        totals.add(bins, to[len(texts) :])
        texts += some
    damaged = {
        int(arms[at]) for at, text in enumerate(texts) if text is None and found[at] is not None
    }
    numbers: list[int | None] = [None] * len(trials)
    sums: list[bytes | None] = [None] * len(trials)
    first = np.unique(arms, return_index=True)[1]
    for arm, total in zip(range(len(names)), totals.all(), strict=False):
        if arm not in damaged:
            numbers[first[arm]] = int(np.count_nonzero(counting[arms == arm]))
            sums[first[arm]] = total.packed()
    return {"latency": texts, "arm_trials": numbers, "arm_latency": sums}
