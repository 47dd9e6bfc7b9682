# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Charts over kernels: a panel for each curve, kernels in the order of versions, changes marked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from bench.judge.metrics import Group, Unit
from bench.questions.kernels.curves import Curve, Point
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.tables import point_words, title_of
from bench.report.document import Figure, Panel, pick
from bench.report.figure import BYTES_LABELS, Row, chart_of, colour, dash, powers, shape
from bench.report.units import clean

if TYPE_CHECKING:
    import altair as alt

_STEP: Final = 46  # pixels that a kernel takes
_LEAST: Final = 150
_HEIGHT: Final = 170
_QUESTIONS: Final = {
    Group.DROPS: (
        "Drops at equal budgets",
        "Lower is better: the share of events that was lost, mean over blocks.",
    ),
    Group.ORDER: (
        "Order",
        "Lower is better: the share of parent and child pairs delivered the wrong way round.",
    ),
    Group.MEMORY: (
        "Least lossless budget",
        "Lower is better: the least budget from which upwards a storm lost nothing.",
    ),
    Group.LATENCY: (
        "Latency, as a ratio within each guest",
        "Below 1 the ring delivers sooner; each point is paired within the blocks of one guest.",
    ),
    Group.COST: (
        "Cost, as a ratio within each guest",
        "Kernel time below 1: the ring costs less. Storm time above 1: it is slowed down.",
    ),
    "missed": (
        "Exits that the kernel skipped the tracer at",
        (
            "Lower is better, and no transport's fault: the kernel skips a tracer while its CPU is "
            "inside a bpf() map operation of anybody. What decides is the preemption model."
        ),
    ),
}


def figures(matrix: Matrix) -> Iterator[Figure]:
    """Yield one for each question that has a curve, and one of skipped exits."""
    from altair.utils.schemapi import debug_mode

    marks = "A dashed line marks where something in the kernel changed."
    emulated = " Emulated CPUs: times mean nothing beyond these ratios." if matrix.emulated else ""
    for group, (title, reading) in _QUESTIONS.items():
        curves = [curve for curve in matrix.curves if curve.group == group]
        found = [_skipped(matrix)] if group == "missed" else curves
        if any(curve.points for curve in found):
            with debug_mode(False):
                panels = tuple(_panel(matrix, curve) for curve in found)
            yield Figure(
                key=str(group),
                title=title,
                reading=f"{reading} {marks}{emulated if found[0].times_within_one_guest else ''}",
                transports=tuple(dict.fromkeys(s for curve in found for s in curve.series)),
                panels=panels,
            )


def _skipped(matrix: Matrix) -> Curve:
    return Curve(
        key="missed",
        what="share of all exits",
        experiment="",
        budget="",
        unit=Unit.SHARE,
        points=tuple(
            pick(
                Point,
                found,
                kernel=each.kernel,
                series=series,
                value=found.missed_share,
                blocks=found.trials,
                note=f"{found.missed:,} of {found.reaped:,} exits",
            )
            for each in matrix.missed
            for series, found in (("idle", each.peace), ("beside bpf() calls", each.noise))
            if found is not None
        ),
    )


def _panel(matrix: Matrix, curve: Curve) -> Panel:
    import altair as alt

    labels = [clean(row.label) for row, _ in matrix.measured]
    flavours = {row.label: row.flavour for row in matrix.rows}
    order = {row.label: at for at, row in enumerate(matrix.rows)}
    points = [
        {
            "kernel": clean(point.kernel),
            "at": order[point.kernel],
            "transport": point.series,
            "flavour": flavours[point.kernel],
            "value": point.value,
            "low": point.low,
            "high": point.high,
            "words": _words(point, curve.unit),
        }
        for point in curve.points
    ]
    x = alt.X(
        "kernel:N",
        title=None,
        sort=labels,
        scale={"type": "band", "domain": labels, "paddingInner": 0.4, "paddingOuter": 0.2},
        axis={"labelAngle": -35 if len(labels) > 4 else 0, "grid": False, "labelLimit": 90},
    )
    offset: dict[str, Any] = {}
    if len(curve.series) > 1:
        offset["xOffset"] = alt.XOffset("transport:N", scale={"domain": list(curve.series)})
    at: dict[str, Any] = {"x": x, "color": colour(curve.series), **offset}
    y, by_shape = _y(curve), shape(curve.series)
    layers = [
        chart_of("rules")
        .mark_rule(color="#808080", strokeDash=[2, 3], strokeWidth=1.5)
        .encode(x=alt.X("kernel:N", sort=labels, bandPosition=0), description="words:N"),
        chart_of("lines")
        .mark_line(strokeWidth=2, aria=False)
        .encode(y=y, strokeDash=dash(curve.series), order="at:O", **at),
        chart_of("points")
        .mark_rule(strokeWidth=2, aria=False)
        .encode(y=alt.Y("low:Q"), y2="high:Q", **at),
        chart_of("points")
        .mark_point(size=55, filled=True, opacity=1)
        .encode(y=y, shape=by_shape, description="words:N", **at),
    ]
    if curve.unit is Unit.TIMES:
        one = chart_of("one").mark_rule(color="#808080", strokeWidth=1).encode(y=alt.Y("one:Q"))
        layers.insert(0, one)
    return Panel(
        title=title_of(curve),
        chart=alt.layer(*layers).properties(width=max(_LEAST, _STEP * len(labels)), height=_HEIGHT),
        data={
            "points": points,
            "lines": [row for row in points if not row["flavour"]],
            "rules": list(_onsets(matrix)),
            "one": [{"one": 1}],
        },
    )


def _words(point: Point, unit: Unit) -> str:
    value, interval, note = point_words(point, unit, " to ")
    return f"{clean(point.kernel)}, {point.series}: {value} ({interval}), {note}"


def _onsets(matrix: Matrix) -> Iterator[Row]:
    for row, _ in matrix.measured:
        if steps := [f"{change.short}: {step}" for change, step in matrix.steps(row.label)]:
            label = clean(row.label)
            yield {"kernel": label, "words": f"Changed at {label}: {'; '.join(steps)}"}


def _y(curve: Curve) -> alt.Y:
    import altair as alt

    lowest = min(point.low for point in curve.points)
    highest = max(point.high for point in curve.points)
    scale: dict[str, Any]
    axis: dict[str, Any]
    if curve.unit is Unit.SHARE:
        most = highest * 1.08 or 0.01
        scale = {"domainMin": 0, "domainMax": most, "nice": highest > 0}
        axis = {"format": "~%", "tickCount": 5}
    elif curve.unit is Unit.BYTES:
        ticks = powers(lowest, highest, 2)
        scale = {"type": "log", "base": 2, "domain": [ticks[0], ticks[-1]]}
        axis = {"values": ticks, "labelExpr": BYTES_LABELS}
    else:
        low, high = min(lowest / 1.05, 0.95), max(highest * 1.05, 1.05)
        scale = {"type": "log", "domain": [low, high], "nice": False}
        axis = {"values": _ticks(low, high), "format": "~g"}
    return alt.Y("value:Q", title=None, scale=scale, axis=axis)


def _ticks(low: float, high: float) -> list[float]:
    """Return round ratios between both, the coarsest set that has four."""
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(n / 10 for n in range(10, 100))):
        found = [step * 10.0**power for power in range(-3, 3) for step in steps]
        ticks = [round(tick, 6) for tick in found if low <= tick <= high]
        if len(ticks) >= 4:
            break
    return ticks[:: max(1, len(ticks) // 8)]
