# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Strips: one row for each experiment, a point for each trial, a bar at the median."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.questions.transports.figures.arms import ShownArm, compared, transports
from bench.questions.transports.material import Material
from bench.report.document import Panel
from bench.report.figure import WIDTH, Row, chart_of, colour, powers, shape
from bench.trial.result import TrialResult

_ROW_HEIGHT = 34
_MOST_ROWS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """What a strip shows of each trial."""

    title: str
    axis: str
    take: Callable[[TrialResult], float | None]  # None: unknown; 0 or less is not drawn
    words: Callable[[float], str]
    labels: str  # expression for the labels of the axis


def drawn(strips: Sequence[Strip], material: Material) -> tuple[tuple[str, ...], tuple[Panel, ...]]:
    """Draw those that some trial has the number of; return the transports and the panels."""
    arms = compared(material)
    ways = transports(arms)
    found = (panel(strip, arms, ways) for strip in strips)
    return ways, tuple(each for each in found if each is not None)


def panel(strip: Strip, arms: Sequence[ShownArm], ways: Sequence[str]) -> Panel | None:
    """Draw the strip of these arms; None if no trial has the number."""
    import altair as alt

    points: list[Row] = []
    medians: list[Row] = []
    by_row: dict[tuple[str, str], list[float]] = defaultdict(list)
    for arm in arms:
        for trial in arm.trials:
            value = strip.take(trial)
            if value is not None:
                by_row[arm.experiment, arm.transport].append(value)
    drawn = {key: values for key, values in by_row.items() if max(values) > 0}
    rows = list(dict.fromkeys(experiment for experiment, _ in drawn))[:_MOST_ROWS]
    for (experiment, transport), values in drawn.items():
        if experiment not in rows:
            continue
        common = {"experiment": experiment, "transport": transport}
        where = f"{experiment}, {transport}"
        above = [value for value in values if value > 0]
        points += (
            {**common, "value": value, "words": f"{where}: {strip.words(value)}"} for value in above
        )
        text = f"{where}: median {strip.words(median(values))} of {len(values)} trials"
        if len(above) < len(values):
            text += f", {len(values) - len(above)} of them 0"
        if median(values) > 0:
            medians.append({**common, "value": median(values), "words": text})
    if not points:
        return None
    numbers = [row["value"] for row in points]
    ticks = powers(min(numbers), max(numbers))
    x = alt.X(
        "value:Q",
        title=strip.axis,
        scale={"type": "log", "domain": [ticks[0], ticks[-1]], "padding": 6},
        axis={"values": ticks, "labelExpr": strip.labels},
    )
    y = alt.Y(
        "experiment:N",
        sort=rows,
        title=None,
        scale={"domain": rows, "paddingInner": 0.15, "paddingOuter": 0.1},
        axis={"domain": False, "ticks": False, "grid": False, "labelLimit": 80},
    )
    offset = alt.YOffset("transport:N", scale={"domain": list(ways)})
    cloud = (
        chart_of("points")
        .mark_point(size=22, opacity=0.6)
        .encode(
            x=x,
            y=y,
            yOffset=offset,
            color=colour(ways),
            shape=shape(ways),
            description=alt.Description("words:N"),
        )
    )
    bars = (
        chart_of("medians")
        .mark_tick(thickness=3, size=_ROW_HEIGHT / 2 - 3)
        .encode(
            x=x, y=y, yOffset=offset, color=colour(ways), description=alt.Description("words:N")
        )
    )
    chart = alt.layer(cloud, bars).properties(
        width=WIDTH - 30, height=max(2, len(rows)) * _ROW_HEIGHT
    )
    return Panel(title=strip.title, chart=chart, data={"points": points, "medians": medians})
