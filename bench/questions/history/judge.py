# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find changes of numbers over their runs, and from kernel to kernel.

Runs are compared if they measured the same on machines of one kind: over time on one kernel, and
over kernels by the median of each kernel's runs. Times are never compared between kernels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from math import inf
from statistics import median
from typing import Final

import numpy as np
import polars as pl

from bench.errors import UsageError
from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import Unit
from bench.judge.statistics import holm, same_p
from bench.linux.version import KernelVersion
from bench.questions.history.changepoints import LEVEL, Floats, Split, splits
from bench.report.document import Labels

FORMAT: Final = 1
_RATIOS: Final = (Unit.TIMES, Unit.BYTES)  # compared by the factor between them
_TIMES: Final = (Unit.NS, Unit.SECONDS, Unit.PER_S)
_OF_NUMBER: Final = ("key", "number", "transport", "name", "more_is_better")
_NORMAL: Final = 1.96  # half a 95 % interval, in standard errors


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRun:
    """Describe one run; ``trials`` count all of it, invalid ones too."""

    journal: str
    started_utc: str  # ISO 8601
    hostname: str
    kernel: str
    kind: str
    trials: int

    @property
    def minute(self) -> str:
        """Return when it started: "2026-01-08 00:00"."""
        return self.started_utc[:16].replace("T", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """Identify a number that is tracked, as in bench/report/document.py's Measure."""

    key: str
    number: str
    labels: Labels
    transport: str  # for a ratio, the first
    name: str
    unit: Unit
    more_is_better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Hold a change beyond the noise: medians of both stretches; p is Holm's."""

    run: int  # the first one after it, by its index in the history
    before: float
    after: float
    p: float
    worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Hold a number over time, on one kernel of one kind of machine."""

    of: Number
    kind: str
    kernel: str
    runs: tuple[int, ...]  # indices
    values: tuple[float, ...]
    lows: tuple[float, ...]  # of 95 % intervals; the value if it has none
    highs: tuple[float, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPoint:
    """Hold a number on one kernel: the median of its runs and of their bounds."""

    kernel: str
    runs: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Hold a difference beyond the noise between a kernel and the previous one; p is Holm's."""

    kernel: str
    previous: str
    before: float
    after: float
    p: float
    worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSeries:
    """Hold a number over kernels in the order of their versions, on one kind of machine."""

    of: Number
    kind: str
    points: tuple[KernelPoint, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Hold all tracked numbers, as in JSON; ``format`` rises when a key changes its meaning."""

    format: int = FORMAT
    runs: tuple[HistoryRun, ...]  # in the order of time
    series: tuple[Series, ...]
    kernels: tuple[KernelSeries, ...]

    @property
    def changed(self) -> list[tuple[Series, Change]]:
        """Return every change over time, the latest first."""
        found = [(each, change) for each in self.series for change in each.changes]
        return sorted(found, key=lambda pair: pair[1].run, reverse=True)

    @property
    def stepped(self) -> list[tuple[KernelSeries, Step]]:
        """Return every change between kernels, the newest kernel first."""
        found = [(each, step) for each in self.kernels for step in each.steps]
        return sorted(found, key=lambda pair: version(pair[1].kernel), reverse=True)


def judge(numbers: pl.DataFrame) -> History:
    """Judge the rows of :func:`reading.read`."""
    by_run = numbers.unique("run", maintain_order=True).sort("started_s", maintain_order=True)
    order = {run: at for at, run in enumerate(by_run["run"])}
    found = [*_series(numbers, order)]
    changes = splits(
        {at: np.array(each.values) for at, (_, each) in enumerate(found)},
        lambda at, first, second: _differ(found[at][1], first, second),
    )
    return History(
        runs=tuple(
            HistoryRun(
                journal=row["path"],
                started_utc=f"{datetime.fromtimestamp(row['started_s'], UTC):%Y-%m-%dT%H:%M:%SZ}",
                **{name: row[name] for name in ("hostname", "kernel", "kind", "trials")},
            )
            for row in by_run.iter_rows(named=True)
        ),
        series=tuple(
            replace(each, changes=tuple(_changes(each, changes[at])))
            for at, (_, each) in enumerate(found)
        ),
        kernels=tuple(_over_kernels(found)),
    )


def _series(numbers: pl.DataFrame, order: dict[str, int]) -> Iterator[tuple[str, Series]]:
    """Yield each configuration, and its number over time, without changes."""
    ordered = numbers.with_columns(
        at=pl.col("run").replace_strict(order, return_dtype=pl.Int64),
        low=pl.col("low").fill_null(pl.col("value")),
        high=pl.col("high").fill_null(pl.col("value")),
    ).sort("at", maintain_order=True)
    for group in ordered.partition_by("kind", "kernel", "asked", "key", maintain_order=True):
        row = group.row(-1, named=True)
        runs, values, lows, highs = (tuple(group[name]) for name in ("at", "value", "low", "high"))
        yield (
            row["asked"],
            Series(
                of=Number(
                    labels=tuple((name, value) for name, value in json.loads(row["labels"])),
                    unit=Unit(row["unit"]),
                    **{name: row[name] for name in _OF_NUMBER},
                ),
                kind=row["kind"],
                kernel=row["kernel"],
                runs=runs,
                values=values,
                lows=lows,
                highs=highs,
                changes=(),
            ),
        )


def _changes(series: Series, found: Sequence[Split]) -> Iterator[Change]:
    edges = [0, *(each.at for each in found), len(series.values)]
    levels = [median(series.values[start:stop]) for start, stop in pairwise(edges)]
    for split, (before, after) in zip(found, pairwise(levels), strict=True):
        yield Change(
            run=series.runs[split.at],
            before=before,
            after=after,
            p=split.p,
            worse=(after < before) == series.of.more_is_better,
        )


def _differ(series: Series, first: slice, second: slice) -> bool:
    """Return whether neither stretch's typical interval contains the other's median."""
    columns = series.values, series.lows, series.highs
    before, after = (tuple(median(each[part]) for each in columns) for part in (first, second))
    return _apart(series.of.unit, before, after)


def _apart(unit: Unit, first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether neither interval (value, low, high) contains the other's value.

    Values compared as a ratio must also differ by 2 %.
    """
    (value, low, high), (other, its_low, its_high) = first, second
    ratio = value / other if unit in _RATIOS and min(value, other) > 0 else inf
    if 1 / (1 + LEAST_MARGIN) <= ratio <= 1 + LEAST_MARGIN:
        return False
    return not (low <= other <= high or its_low <= value <= its_high)


def version(kernel: str) -> tuple[bool, KernelVersion | str]:
    """Return a key that sorts kernels; invalid releases come first."""
    try:
        return True, KernelVersion.parse(kernel.partition(" ")[0])
    except UsageError:
        return False, kernel


def _over_kernels(found: Iterable[tuple[str, Series]]) -> Iterator[KernelSeries]:
    """Yield the numbers of two kernels or more, each compared with the previous kernel."""
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for asked, each in found:
        if each.of.unit not in _TIMES:
            groups.setdefault((each.kind, asked, each.of.key), []).append(each)
    several = [
        sorted(group, key=lambda each: version(each.kernel))
        for group in groups.values()
        if len(group) > 1
    ]
    adjusted = iter(holm([_same_p(*pair) for group in several for pair in pairwise(group)]))
    for group in several:
        points = [_kernel_point(each) for each in group]
        steps = [
            Step(
                kernel=now.kernel,
                previous=then.kernel,
                before=then.value,
                after=now.value,
                p=p,
                worse=(now.value < then.value) == group[0].of.more_is_better,
            )
            for then, now in pairwise(points)
            if (p := next(adjusted)) < LEVEL
            and _apart(group[0].of.unit, *((e.value, e.low, e.high) for e in (then, now)))
        ]
        yield KernelSeries(
            of=group[-1].of, kind=group[0].kind, points=tuple(points), steps=tuple(steps)
        )


def _kernel_point(series: Series) -> KernelPoint:
    value, low, high = map(median, (series.values, series.lows, series.highs))
    return KernelPoint(kernel=series.kernel, runs=len(series.runs), value=value, low=low, high=high)


def _same_p(then: Series, now: Series) -> float:
    """Return the p of two kernels having one value, by the runs' intervals and by their scatter.

    The intervals show the noise within a run, the scatter that between runs; if there are three
    runs of each, the larger p counts.
    """
    from scipy.special import ndtr

    (value, error), (other, its_error) = (_mean(each) for each in (then, now))
    if value == other:
        return 1.0
    whole = (error**2 + its_error**2) ** 0.5
    by_interval = 2 * float(ndtr(-abs(value - other) / whole)) if whole else 0.0
    if min(len(then.runs), len(now.runs)) < 3:
        return by_interval
    return max(by_interval, same_p(*(_scaled(each, each.values).tolist() for each in (then, now))))


def _mean(series: Series) -> tuple[float, float]:
    """Return the mean over runs and its standard error by their intervals; logs of ratios."""
    values, lows, highs = (
        _scaled(series, each) for each in (series.values, series.lows, series.highs)
    )
    errors = np.maximum(values - lows, highs - values) / _NORMAL
    return float(values.mean()), float(np.sqrt((errors**2).sum())) / len(values)


def _scaled(series: Series, values: Sequence[float]) -> Floats:
    array = np.array(values)
    return np.log(np.maximum(array, 1e-300)) if series.of.unit in _RATIOS else array
