# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report on numbers over time and kernels: first what changed, then every number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import numpy as np

from bench.amounts import counted
from bench.judge.metrics import Unit
from bench.questions.history.changepoints import FEWEST_RUNS
from bench.questions.history.judge import (
    Change,
    History,
    HistoryRun,
    KernelSeries,
    Series,
    Step,
    version,
)
from bench.report import document as doc
from bench.report.table import columns, row
from bench.report.units import number

_BARS: Final = "▁▂▃▄▅▆▇█"
_WIDE: Final = 24  # bars of a line
_LINE: Final = "over time"
_SHOWN: Final = 12  # changes that are always shown
_READING: Final = (
    "A point is one run, with the 95 % interval of its own blocks. Runs are compared if they had "
    "the same configuration, kind of machine and kernel. A change is a difference in level between "
    "the runs before and after: by a permutation test with 5 % false alarms over all numbers "
    "together, and beyond the typical interval of a run on both sides."
)
_BETWEEN: Final = (
    "Only shares, ratios and sizes are compared between kernels: times of two kernels never are."
)


def document(history: History) -> doc.Document:
    """Return what changed over time and between kernels, and every number."""
    return doc.Document(
        title=_title(history),
        subject=_subject(history),
        parts=tuple(_parts(history)),
        data=history,
        short="History",
    )


def _title(history: History) -> str:
    if len(history.runs) == 1:
        return "One run alone: nothing to compare it with"
    followed = len({each.of.key for each in history.series})
    numbers = f"{counted(followed, 'number')} in {counted(len(history.runs), 'run')}"
    over_time, over_kernels = history.changed, history.stepped
    worse = [*(each.worse for _, each in over_time), *(each.worse for _, each in over_kernels)]
    if not history.kernels and all(len(each.runs) < FEWEST_RUNS for each in history.series):
        return f"Too few runs to see a change: {numbers}"
    if not worse:
        return f"No change detected: {numbers}"
    parts = [
        f"{counted(len(found), 'change')} {words}"
        for found, words in ((over_time, "over time"), (over_kernels, "between kernels"))
        if found
    ]
    return f"{' and '.join(parts)} beyond the noise, {sum(worse):,} for the worse: {numbers}"


def _subject(history: History) -> str:
    days = [each.started_utc[:10] for each in (history.runs[0], history.runs[-1])]
    kernels, kinds = (
        list(dict.fromkeys(getattr(each, name) for each in history.runs))
        for name in ("kernel", "kind")
    )
    return "; ".join(
        (
            " to ".join(dict.fromkeys(days)),
            f"Linux {kernels[0]}" if len(kernels) == 1 else counted(len(kernels), "kernel"),
            kinds[0]
            if len(kinds) == 1
            else counted(len(kinds), "kind of machine", "kinds of machine"),
        )
    )


def _parts(history: History) -> Iterator[doc.Part]:
    changes = [
        _row(history, series, change, history.runs[change.run].minute, series.kernel)
        for series, change in history.changed
    ]
    yield from _changes("changes", "Changes over time", "since", changes)
    steps = [
        _row(history, series, step, f"{step.previous} to {step.kernel}")
        for series, step in history.stepped
    ]
    yield from _changes("steps", "Changes between kernels", "from", steps)
    if len(history.runs) > 1:
        yield doc.Note(text=f"{_READING} {_BETWEEN}" if history.kernels else _READING)
        if short := sum(len(each.runs) < FEWEST_RUNS for each in history.series):
            yield doc.Note(
                text=f"Too few runs to see a change over time (fewer than {FEWEST_RUNS}): "
                f"{short:,} of {len(history.series):,} series",
                mark=doc.Mark.OPEN,
            )
        yield doc.Heading(text="Charts", key="charts", level=doc.Level.BACKGROUND)
        yield doc.Figures(make=partial(_charts, history))
    yield doc.Heading(text="Every number", key="numbers", short="Numbers", level=doc.Level.EVIDENCE)
    yield from _every_number(history)
    yield from _every_kernel(history)


def _charts(history: History) -> Iterator[doc.Figure]:
    from bench.questions.history.figures import figures

    return figures(history)


def _changes(key: str, title: str, where: str, rows: Sequence[doc.Row]) -> Iterator[doc.Table]:
    """Yield the first changes, and all others as evidence."""
    first, more = tuple(rows[:_SHOWN]), tuple(rows[_SHOWN:])
    headed = columns(where, "number", "was", "is", numeric=False)
    table = partial(doc.Table, corner="change", columns=headed)
    if first:
        hint = f"{len(more):,} more with --full" if more else ""
        yield table(key=key, title=title, rows=first, hint=hint)
    if more:
        further = f"{title}, further ones"
        yield table(key=f"{key}-more", title=further, rows=more, level=doc.Level.EVIDENCE)


def _row(
    history: History,
    series: Series | KernelSeries,
    found: Change | Step,
    where: str,
    kernel: str = "",
) -> doc.Row:
    """Return a change; its kernel and kind of machine are named if there are several."""
    word, mark = ("worse", doc.Mark.BAD) if found.worse else ("better", doc.Mark.GOOD)
    on = (
        f"Linux {kernel}" if kernel and len({each.kernel for each in history.runs}) > 1 else "",
        series.kind if len({each.kind for each in history.runs}) > 1 else "",
    )
    return row(
        doc.Cell(text=word, mark=mark),
        where,
        "; ".join(filter(None, (series.of.name, *on))),
        *(value(each, series.of.unit) for each in (found.before, found.after)),
    )


def value(of: float, unit: Unit) -> str:
    """Write a number; a ratio as "x 0.40"."""
    return f"x {number(of, unit)}" if unit is Unit.TIMES else number(of, unit)


def _every_number(history: History) -> Iterator[doc.Fold]:
    places = dict.fromkeys((each.kind, each.kernel) for each in history.series)
    for at, (kind, kernel) in enumerate(places):
        found = [each for each in history.series if (each.kind, each.kernel) == (kind, kernel)]
        again = Counter(each.of.key for each in found)
        runs = {run for each in found for run in each.runs}
        yield doc.Fold(
            key=f"series-{at}",
            summary=f"Linux {kernel}",
            gist=f"{counted(len(runs), 'run')}, {counted(len(again), 'number')}; {kind}",
            parts=(
                doc.Table(
                    key=f"series-{at}",
                    title="",
                    corner="number",
                    columns=columns(
                        *("runs", _LINE, "latest", "95 % of it", "changes"), text=(_LINE,)
                    ),
                    rows=tuple(
                        _series_row(history.runs, each, several=again[each.of.key] > 1)
                        for each in found
                    ),
                ),
            ),
        )


def _series_row(runs: Sequence[HistoryRun], series: Series, *, several: bool) -> doc.Row:
    """Return a row; a number with several configurations has the time of its first run."""
    since = f" (as configured from {runs[series.runs[0]].minute})" if several else ""
    low, high, unit = series.lows[-1], series.highs[-1], series.of.unit
    return row(
        f"{series.of.name}{since}",
        f"{len(series.runs):,}",
        line(series.values),
        value(series.values[-1], unit),
        "" if low == high else f"{number(low, unit)} .. {number(high, unit)}",
        f"{len(series.changes)}" if series.changes else "",
    )


def line(values: Sequence[float]) -> str:
    """Return a line of bars, each the median of as many runs; equal values are all low."""
    array = np.asarray(values)
    bars = [float(np.median(part)) for part in np.array_split(array, min(_WIDE, len(array)))]
    lowest, span = min(bars), max(bars) - min(bars)
    if not span:
        return _BARS[0] * len(bars)
    return "".join(_BARS[round((bar - lowest) / span * (len(_BARS) - 1))] for bar in bars)


def _every_kernel(history: History) -> Iterator[doc.Fold]:
    for at, kind in enumerate(dict.fromkeys(each.kind for each in history.kernels)):
        found = [each for each in history.kernels if each.kind == kind]
        yield doc.Fold(
            key=f"kernels-{at}",
            summary="From kernel to kernel",
            gist=f"{counted(len(found), 'number')}; {kind}",
            parts=(_kernel_table(f"kernels-{at}", found),),
        )


def _kernel_table(key: str, found: Sequence[KernelSeries]) -> doc.Table:
    names = sorted({each.kernel for series in found for each in series.points}, key=version)
    return doc.Table(
        key=key,
        title="",
        corner="number",
        columns=columns(*names),
        rows=tuple(
            row(series.of.name, *(_kernel_cell(series, name) for name in names)) for series in found
        ),
        hint="Coloured where it differs beyond the noise from the previous kernel.",
    )


def _kernel_cell(series: KernelSeries, kernel: str) -> doc.Cell:
    point = next((each for each in series.points if each.kernel == kernel), None)
    if point is None:
        return doc.Cell(text="")
    marks = {step.kernel: doc.Mark.BAD if step.worse else doc.Mark.GOOD for step in series.steps}
    return doc.Cell(
        text=value(point.value, series.of.unit),
        value=point.value,
        mark=marks.get(kernel, doc.Mark.NONE),
        hint=counted(point.runs, "run"),
    )
