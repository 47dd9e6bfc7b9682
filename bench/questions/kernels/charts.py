# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw charts over kernels: a panel for each curve, ordered by version, with changes marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from bench.errors import clean
from bench.judge.metrics import Unit
from bench.questions.kernels.answers import Answer, Answers
from bench.questions.kernels.curves import Curve, Point
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.tables import point_words, title_of
from bench.questions.transports.figures.panels import layer, panel
from bench.questions.transports.standing import Question
from bench.report import figure
from bench.report.document import Figure, Panel

_STEP: Final = 46  # pixels per kernel
_LETTER: Final = 7  # pixels, of an axis
_HEIGHT: Final = 170
_CHANGED: Final = "A dashed line: the answer differs from that on the previous kernel."
_EMULATED: Final = "Emulated CPUs: times mean nothing beyond these ratios."
_READINGS: Final = {
    Question.DROPS: (
        "Drops at equal budgets",
        "Lower is better: the share of events that was lost, mean over blocks.",
    ),
    Question.ORDER: (
        "Order",
        "Lower is better: the share of parent and child pairs delivered the wrong way round.",
    ),
    Question.MEMORY: (
        "Least lossless budget",
        "Lower is better: the least budget at and above which a storm lost nothing.",
    ),
    Question.LATENCY: (
        "Latency, as a ratio within each guest",
        "Below 1 the ring delivers sooner; each point is paired within the blocks of one guest.",
    ),
    Question.WRITE: (
        "Time of a write, and what tracing costs, as a ratio within each guest",
        "Kernel time below 1: the ring costs less. Storm time above 1: it is slowed down.",
    ),
    Question.CPU: (
        "CPU of the consumer, as a ratio within each guest",
        "Below 1 the ring's consumer takes less CPU time per event.",
    ),
    "missed": (
        "Exits at which the kernel skipped the tracer",
        (
            "Lower is better, and no transport's fault: the kernel skips a tracer while its CPU is "
            "inside a bpf() map operation of any process. The preemption model decides."
        ),
    ),
}

_COUNTED: Final = {
    Question.LATENCY: (
        "Latency, in instructions",
        "Lower is better: instructions executed on all CPUs from the exit to delivery.",
    ),
    Question.WRITE: (
        "What a write and tracing cost, in instructions",
        "Lower is better: instructions executed meanwhile, on all CPUs.",
    ),
    Question.CPU: (
        "The consumer, in instructions",
        "Lower is better: instructions that the ring's or perf's consumer takes per event.",
    ),
}
"""Texts of the same panels where instructions are counted."""
_SEEDS: Final = "Medians over storms, of each side by itself, with 95 % intervals; no time."


def figures(matrix: Matrix, found: Sequence[Answers]) -> Iterator[Figure]:
    """Yield a figure for each question that has a curve, with a panel for each experiment."""
    from altair.utils.schemapi import debug_mode

    changes = {each.question: [one for one in each.answers if one.changed] for each in found}
    for question in _READINGS:
        curves = (*matrix.curves, matrix.skipped)
        shown = [each for each in curves if each.question == question and each.points]
        changed = changes[question]
        counted = [each for each in shown if each.unit is Unit.INSTRUCTIONS]
        alone = bool(counted) and len(counted) == len(shown)
        title, reading = _COUNTED[Question(question)] if alone else _READINGS[question]
        emulated = matrix.emulated and any(each.times_within_one_guest for each in shown)
        seeds = _SEEDS if counted else ""
        said = (reading, seeds, _CHANGED if changed else "", _EMULATED if emulated else "")
        with debug_mode(False):
            panels = tuple(_panel(matrix, curve, changed) for curve in shown)
        if panels:
            yield Figure(
                key=str(question),
                title=title,
                reading=" ".join(filter(None, said)),
                transports=tuple(dict.fromkeys(s for curve in shown for s in curve.series)),
                panels=panels,
            )


def _panel(matrix: Matrix, curve: Curve, changed: Sequence[Answer]) -> Panel:
    import altair as alt

    labels = [clean(row.label) for row, _ in matrix.measured]
    usual = matrix.measured[0][0].architecture, ""
    joined = {row.label: row.line == usual for row in matrix.rows}
    order = {row.label: at for at, row in enumerate(matrix.rows)}
    points = [
        {
            "kernel": clean(point.kernel),
            "at": order[point.kernel],
            "transport": point.series,
            "joined": joined[point.kernel],
            "value": point.value,
            "low": point.low,
            "high": point.high,
            "words": _words(point, curve.unit),
        }
        for point in curve.points
    ]
    rules = [
        {
            "kernel": clean(each.kernel),
            "words": f"Differs from {clean(each.changed)}: {each.words}",
        }
        for each in changed
    ]
    width = max(figure.WIDTH, _STEP * len(labels))
    crowded = _LETTER * (2 + max(map(len, labels))) > width / len(labels)
    x = {
        "shorthand": "kernel:N",
        "title": None,
        "sort": labels,
        "scale": {"type": "band", "domain": labels, "paddingInner": 0.4, "paddingOuter": 0.2},
        "axis": {
            "labelAngle": -35 if crowded else 0,
            "grid": False,
            "labelLimit": 90,
            "labelOverlap": False,  # no kernel without its label
            "offset": 6,  # of points at zero
        },
    }
    ways, y = curve.series, _y(curve)
    apart: dict[str, Any] = {}
    if len(ways) > 1:
        apart["xOffset"] = alt.XOffset("transport:N", scale={"domain": list(ways)})
    drawn = partial(layer, ways=ways, x=x, **apart)
    line, low = {"strokeWidth": 2}, {"shorthand": "low:Q"}
    layers = [
        figure.chart_of("rules")
        .mark_rule(color="#808080", strokeDash=[2, 3], strokeWidth=1.5)
        .encode(x=alt.X("kernel:N", sort=labels, bandPosition=0), description="words:N"),
        drawn(data="lines", mark="line", y=y, said=False, style=line, order="at:O"),
        drawn(data="points", mark="rule", y=low, said=False, style=line, y2="high:Q"),
        drawn(data="points", mark="point", y=y, style={"size": 55, "filled": True, "opacity": 1}),
    ]
    if curve.unit is Unit.TIMES:
        one = (
            figure.chart_of("one")
            .mark_rule(color="#808080", strokeWidth=1)
            .encode(y=alt.Y("one:Q"))
        )
        layers.insert(0, one)
    lines = [row for row in points if row["joined"]]
    return panel(
        title_of(curve),
        {"points": points, "lines": lines, "rules": rules, "one": [{"one": 1}]},
        *layers,
        width=width,
        height=_HEIGHT,
        wide=width > figure.WIDTH,
    )


def _words(point: Point, unit: Unit) -> str:
    value, interval, note = point_words(point, unit, " to ")
    return f"{clean(point.kernel)}, {point.series}: {value} ({interval}), {note}"


def _y(curve: Curve) -> dict[str, Any]:
    lowest = min(point.low for point in curve.points)
    highest = max(point.high for point in curve.points)
    if curve.unit in (Unit.INSTRUCTIONS, Unit.SHARE):
        scale = {"domainMin": 0, "domainMax": highest * 1.08 or 0.01, "nice": highest > 0}
        labels = (
            {"labelExpr": figure.SHARE_LABELS} if curve.unit is Unit.SHARE else {"format": "~s"}
        )
        return figure.linear("value", None, scale, **labels, tickCount=5)
    if curve.unit is Unit.BYTES:
        ticks = figure.powers(lowest, highest, 2)
        ends = ticks[0], ticks[-1]
        return figure.logarithmic("value", None, ticks, ends, 2, labelExpr=figure.BYTES_LABELS)
    low, high = min(lowest / 1.05, 0.95), max(highest * 1.05, 1.05)
    return figure.logarithmic("value", None, axis_ticks(low, high), (low, high), format="~g")


def axis_ticks(low: float, high: float) -> list[float]:
    """Return round ratios between both, 1 and every decade among them."""
    for steps in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        found = [round(step * 10.0**power, 9) for power in range(-6, 7) for step in steps]
        ticks = [tick for tick in found if low <= tick <= high]
        if len(ticks) >= 3:
            return ticks
    step = next((each for each in (0.02, 0.05, 0.1) if high - low < 6 * each), 0.2)
    found = [round(1 + step * at, 9) for at in range(-5, 6)]
    return [tick for tick in found if low <= tick <= high]
