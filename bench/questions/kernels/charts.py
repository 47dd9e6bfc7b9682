# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Charts over kernels: a panel for each curve, kernels in the order of versions, changes marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from bench.judge.metrics import Group, Unit
from bench.questions.kernels.curve import Curve, Point
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.missed import Skipped
from bench.questions.kernels.sentences import step
from bench.questions.kernels.tables import title_of
from bench.report.document import Figure, Panel
from bench.report.figure import BYTES_LABELS, Row, chart_of, colour, dash, powers, shape
from bench.report.units import clean, number

if TYPE_CHECKING:
    import altair as alt

_STEP: Final = 46  # pixels that a kernel takes
_LEAST: Final = 150
_HEIGHT: Final = 170
_PEACE: Final = "in peace"
_NOISE: Final = "beside bpf() calls"
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
}


def figures(matrix: Matrix) -> tuple[Figure, ...]:
    """Draw one for each question that has a curve, and one of skipped exits."""
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        return tuple(_figures(matrix))


def _figures(matrix: Matrix) -> Iterator[Figure]:
    marks = "A dashed line marks where something in the kernel changed."
    emulated = " Emulated CPUs: times mean nothing beyond these ratios." if matrix.emulated else ""
    for group, (title, reading) in _QUESTIONS.items():
        found = [curve for curve in matrix.curves if curve.group is group]
        if found:
            yield Figure(
                key=group.value,
                title=title,
                reading=f"{reading} {marks}{emulated if found[0].time else ''}",
                transports=tuple(dict.fromkeys(s for curve in found for s in curve.series)),
                panels=tuple(_panel(matrix, curve) for curve in found),
            )
    skipped = _skipped_curve(matrix)
    if skipped.points:
        yield Figure(
            key="missed",
            title="Exits that the kernel skipped the tracer at",
            reading="Lower is better, and no transport's fault: the kernel skips a tracer while "
            "its CPU is inside a bpf() map operation of anybody. What decides is the preemption "
            f"model. {marks}",
            transports=skipped.series,
            panels=(_panel(matrix, skipped),),
        )


def _skipped_curve(matrix: Matrix) -> Curve:
    points = []
    for each in matrix.missed:
        for series, found in ((_PEACE, each.peace), (_NOISE, each.noise)):
            if found is not None:
                points.append(_of_skipped(each.row, series, found))
    return Curve(
        key="missed",
        what="share of all exits",
        experiment="",
        budget="",
        group=Group.DROPS,
        unit=Unit.SHARE,
        points=tuple(points),
    )


def _of_skipped(row: int, series: str, found: Skipped) -> Point:
    return Point(
        row=row,
        series=series,
        value=found.share.point,
        low=found.share.low,
        high=found.share.high,
        blocks=found.trials,
        note=f"{found.missed:,} of {found.exits:,} exits",
    )


def _panel(matrix: Matrix, curve: Curve) -> Panel:
    import altair as alt

    shown = [at for at, row in enumerate(matrix.rows) if row.result is not None]
    labels = [clean(matrix.rows[at].label) for at in shown]
    points = [_row(matrix, curve, point) for point in curve.points]
    lines = [row for row in points if not row["flavour"]]
    rules = list(_onsets(matrix, shown))
    x = alt.X(
        "kernel:N",
        title=None,
        sort=labels,
        scale={"type": "band", "domain": labels, "paddingInner": 0.4, "paddingOuter": 0.2},
        axis={"labelAngle": -35 if len(labels) > 4 else 0, "grid": False, "labelLimit": 90},
    )
    y = _y(curve)
    offset: dict[str, Any] = (
        {"xOffset": alt.XOffset("transport:N", scale={"domain": list(curve.series)})}
        if len(curve.series) > 1
        else {}
    )
    by_colour, by_shape = colour(curve.series), shape(curve.series)
    layers = [
        chart_of("rules")
        .mark_rule(color="#808080", strokeDash=[2, 3], strokeWidth=1.5)
        .encode(x=alt.X("kernel:N", sort=labels, bandPosition=0), description="told:N"),
        chart_of("lines")
        .mark_line(strokeWidth=2, aria=False)
        .encode(x=x, y=y, color=by_colour, strokeDash=dash(curve.series), order="at:O", **offset),
        chart_of("points")
        .mark_rule(strokeWidth=2, aria=False)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=by_colour, **offset),
        chart_of("points")
        .mark_point(size=55, filled=True, opacity=1)
        .encode(x=x, y=y, color=by_colour, shape=by_shape, description="told:N", **offset),
    ]
    if curve.ratio:
        layers.insert(
            0, chart_of("one").mark_rule(color="#808080", strokeWidth=1).encode(y=alt.Y("one:Q"))
        )
    chart = alt.layer(*layers).properties(width=max(_LEAST, _STEP * len(labels)), height=_HEIGHT)
    return Panel(
        title=title_of(curve),
        chart=chart,
        data={"points": points, "lines": lines, "rules": rules, "one": [{"one": 1}]},
    )


def _row(matrix: Matrix, curve: Curve, point: Point) -> Row:
    row = matrix.rows[point.row]
    label, unit = clean(row.label), curve.unit
    sign = "x " if unit is Unit.TIMES else ""
    told = (
        f"{label}, {point.series}: {sign}{number(point.value, unit)} "
        f"({number(point.low, unit)} to {number(point.high, unit)}), {point.blocks} blocks"
    )
    if point.note:
        told += f", {point.note}"
    return {
        "kernel": label,
        "at": point.row,
        "transport": point.series,
        "flavour": row.flavour,
        "value": point.value,
        "low": point.low,
        "high": point.high,
        "told": told,
    }


def _onsets(matrix: Matrix, shown: Sequence[int]) -> Iterator[Row]:
    by_row: dict[int, list[str]] = {}
    for change in matrix.changes:
        for at in change.onsets:
            by_row.setdefault(at, []).append(
                f"{change.fact.short}: {step(change, at, matrix.rows)}"
            )
    for at, told in by_row.items():
        if at in shown:
            label = clean(matrix.rows[at].label)
            yield {"kernel": label, "told": f"Changed at {label}: {'; '.join(told)}"}


def _y(curve: Curve) -> alt.Y:
    import altair as alt

    if curve.unit is Unit.SHARE:
        most = max(point.high for point in curve.points)
        return alt.Y(
            "value:Q",
            title=None,
            scale={"domainMin": 0, "domainMax": most * 1.08 or 0.01, "nice": most > 0},
            axis={"format": "~%", "tickCount": 5},
        )
    lowest = min(point.low for point in curve.points)
    highest = max(point.high for point in curve.points)
    if curve.unit is Unit.BYTES:
        ticks = powers(lowest, highest, 2)
        return alt.Y(
            "value:Q",
            title=None,
            scale={"type": "log", "base": 2, "domain": [ticks[0], ticks[-1]]},
            axis={"values": ticks, "labelExpr": BYTES_LABELS},
        )
    low, high = min(lowest / 1.05, 0.95), max(highest * 1.05, 1.05)
    ticks = _ticks(low, high)
    return alt.Y(
        "value:Q",
        title=None,
        scale={"type": "log", "domain": [low, high], "nice": False},
        axis={"values": ticks, "format": "~g"},
    )


def _ticks(low: float, high: float) -> list[float]:
    """Round ratios between both, the coarsest set that has four."""
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(n / 10 for n in range(10, 100))):
        powers_of_ten = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
        found = [step * power for power in powers_of_ten for step in steps]
        ticks = [round(tick, 6) for tick in found if low <= tick <= high]
        if len(ticks) >= 4:
            break
    return ticks[:: max(1, len(ticks) // 8)]
