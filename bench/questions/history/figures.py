# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw numbers over time and over kernels: those that changed, then one of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, TypeVar

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from bench.amounts import counted
from bench.errors import clean
from bench.judge.metrics import Unit
from bench.questions.history.judge import Change, History, KernelSeries, Series, Step, version
from bench.report.document import Figure, Panel
from bench.report.figure import BYTES_LABELS, HEIGHT, SHARE_LABELS, WIDTH, Datum, chart_of, look
from bench.report.units import number

_MOST_PANELS: Final = 12
_MOST_POINTS: Final = 80  # of a line; with more runs, each is the median of several
_MOST_WORDS: Final = 2  # changes named in a panel's title
_GREY: Final = "#808080"
_TIME_LABELS: Final = (
    "utcFormat(datum.value, utchours(datum.value) || utcminutes(datum.value) ? '%H:%M' : "
    "utcdate(datum.value) > 1 ? '%b %d' : utcmonth(datum.value) ? '%b' : '%Y')"
)
"""Labels of an axis of time: the time of day, the day, the month or the year."""
S = TypeVar("S", bound=Series | KernelSeries)


def figures(history: History) -> Iterator[Figure]:
    """Yield numbers over time, and over kernels if there are several."""
    several = [each for each in history.series if len(each.runs) > 1]
    over_time = _chosen(several, history.changed)
    over_kernels = _chosen(history.kernels, history.stepped)
    with debug_mode(False):
        panels = tuple(_time_panel(history, each) for each in over_time)
        kernel_panels = tuple(map(_kernel_panel, over_kernels))
    if panels:
        yield Figure(
            key="time",
            title="Over time",
            reading="The band is the 95 % interval of a run; a dashed line marks a change beyond "
            "the noise. If there are many runs, each point is the median of several.",
            transports=(),
            panels=panels,
        )
    if kernel_panels:
        yield Figure(
            key="kernels",
            title="Over kernels",
            reading="The median of each kernel's runs and of their 95 % intervals; a dashed line "
            "marks a kernel that differs beyond the noise from the previous one.",
            transports=(),
            panels=kernel_panels,
        )


def _chosen(series: Sequence[S], changes: Iterable[tuple[S, Change | Step]]) -> list[S]:
    """Return those that changed, the most certain first, then the most informative of each kind."""
    changed = (each for each, _ in sorted(changes, key=lambda pair: pair[1].p))
    of_each_kind: dict[str, S] = {}
    for each in sorted(series, key=_tells, reverse=True):
        of_each_kind.setdefault(each.of.number, each)
    found = list({id(each): each for each in (*changed, *of_each_kind.values())}.values())
    return found[:_MOST_PANELS]


def _tells(series: Series | KernelSeries) -> tuple[bool, int]:
    """Return whether the numbers differ at all, and how many there are."""
    values = series.values if isinstance(series, Series) else [p.value for p in series.points]
    return len(set(values)) > 1, len(values)


def _time_panel(history: History, series: Series) -> Panel:
    x = alt.X(
        "at:T",
        title=None,
        scale={"type": "utc"},
        axis={"grid": False, "tickCount": 4, "labelFlush": True, "labelExpr": _TIME_LABELS},
    )
    kernels = {each.kernel for each in history.runs}
    where = f" (Linux {series.kernel})" if len(kernels) > 1 else ""
    return _panel(
        clean(f"{series.of.name}{where}"),
        series,
        x,
        list(_thinned(history, series)),
        [(history.runs[each.run].started_utc, each) for each in series.changes],
    )


def _thinned(history: History, series: Series) -> Iterator[Datum]:
    """Yield a point for every few runs; no point mixes runs before and after a change."""
    place = {run: at for at, run in enumerate(series.runs)}
    edges = [0, *(place[each.run] for each in series.changes), len(series.runs)]
    many = -(-len(series.runs) // _MOST_POINTS)
    columns = [np.asarray(each) for each in (series.values, series.lows, series.highs)]
    for start, stop in pairwise(edges):
        for part in np.array_split(np.arange(start, stop), max(1, (stop - start) // many)):
            middle = history.runs[series.runs[int(part[len(part) // 2])]]
            found, low, high = (float(np.median(each[part])) for each in columns)
            count = f", median of {counted(len(part), 'run')}" if len(part) > 1 else ""
            yield {
                "at": middle.started_utc,
                "value": found,
                "low": low,
                "high": high,
                "words": f"{middle.minute}: {number(found, series.of.unit)}{count}",
            }


def _kernel_panel(series: KernelSeries) -> Panel:
    labels = _labels([each.kernel for each in series.points])
    names = list(labels.values())
    x = alt.X(
        "at:N",
        title=None,
        sort=names,
        scale={"domain": names},
        axis={"labelAngle": -35, "grid": False, "labelLimit": 90, "labelOverlap": False},
    )
    rows = [
        {
            "at": labels[each.kernel],
            "value": each.value,
            "low": each.low,
            "high": each.high,
            "words": f"{clean(each.kernel)}: {number(each.value, series.of.unit)}, "
            f"{counted(each.runs, 'run')}",
        }
        for each in series.points
    ]
    changes = [(labels[each.kernel], each) for each in series.steps]
    return _panel(clean(series.of.name), series, x, rows, changes)


def _labels(kernels: Sequence[str]) -> dict[str, str]:
    """Return short names of kernels: "6.12.3-rt"; full ones if two would be the same."""
    short = list(map(_label, kernels))
    names = short if len(set(short)) == len(short) else map(clean, kernels)
    return dict(zip(kernels, names, strict=True))


def _label(kernel: str) -> str:
    found = version(kernel)[1]
    if isinstance(found, str):
        return clean(found)
    flavour = f"-{found.flavour}" if found.flavour else ""
    return clean(f"{'.'.join(map(str, found.numbers))}{flavour}")


def _panel(
    title: str,
    series: Series | KernelSeries,
    x: alt.X,
    rows: list[Datum],
    changes: Sequence[tuple[str, Change | Step]],
) -> Panel:
    """Return a line and its band; ``changes``: positions on the x axis, and the changes there."""
    y, colour = _y(series.of.unit, rows), look(series.of.transport).colour
    layers = [
        chart_of("points")
        .mark_area(opacity=0.25, color=colour, aria=False)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        chart_of("points").mark_line(strokeWidth=1.5, color=colour, aria=False).encode(x=x, y=y),
        chart_of("points")
        .mark_point(size=14, filled=True, opacity=1, color=colour)
        .encode(x=x, y=y, description="words:N"),
        chart_of("rules").mark_rule(color=_GREY, strokeDash=[3, 3], strokeWidth=1.5).encode(x=x),
    ]
    return Panel(
        title="; ".join([title, *(_words(series, each) for _, each in changes[-_MOST_WORDS:])]),
        chart=alt.layer(*layers).properties(width=WIDTH, height=HEIGHT),
        data={"points": rows, "rules": [{"at": at} for at, _ in changes]},
    )


def _y(unit: Unit, rows: Sequence[Datum]) -> alt.Y:
    scale: dict[str, Any] = {"zero": unit is Unit.SHARE, "nice": True}
    axis: dict[str, Any] = {"tickCount": 5}
    if unit is Unit.SHARE:
        axis["labelExpr"] = SHARE_LABELS
        if not any(row["high"] for row in rows):
            scale = {"domain": [0, 0.01]}
    elif unit is Unit.BYTES:
        axis["labelExpr"] = BYTES_LABELS
    return alt.Y("value:Q", title=None, scale=scale, axis=axis)


def _words(series: Series | KernelSeries, found: Change | Step) -> str:
    was, now = (number(each, series.of.unit) for each in (found.before, found.after))
    return f"{'worse' if found.worse else 'better'}, {was} to {now}"
