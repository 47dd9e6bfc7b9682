# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw one chosen trial of each transport, record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from bench.amounts import counted, size, time
from bench.errors import clean
from bench.judge.comparison import Comparison
from bench.measure.timeline import Points, Timeline
from bench.plan.config import Poll
from bench.questions.transports.figures.panels import layer, panel
from bench.questions.transports.summary import Summary
from bench.report.document import Figure, Panel
from bench.report.figure import WIDTH, Datum, chart_of, colour, linear
from bench.report.units import budget
from bench.trial.result import TrialResult

_FEW: Final = 6  # labels of an axis of times, so that none collide on a phone

_MOST_DRAWN: Final = 700
_SHAPES: Final = ("circle", "triangle-up", "square", "diamond", "cross", "triangle-down")
_WIDTH: Final = 1.5 * WIDTH
_HEIGHT: Final = 230
_GREY: Final = "#808080"
_panel: Final = partial(panel, width=_WIDTH, height=_HEIGHT, wide=True)


def timeline(summary: Summary) -> Figure | None:
    """Draw the trial in which most was re-ordered; None without any timeline."""
    if (chosen := _choose(summary)) is None:
        return None
    comparison, trials = chosen
    found = [(clean(t.arm.transport), t.timeline) for t in trials if t.timeline]
    ways = tuple(way for way, _ in found)
    end_ms = max(max(each.sampled.delivered_ns, default=1) for _, each in found) / 1e6
    scale = {"domain": [0, 1.02 * end_ms], "nice": False}
    return Figure(
        key="timeline",
        title=f"One trial: {clean(comparison.experiment)} at {budget(comparison.budget)}, block "
        f"{trials[0].block}",
        reading="The line follows the order of delivery, each point is an event, its shape the "
        "CPU: where all is in order the line only rises to the right; each step back to the left "
        "is an event delivered after a later one. Below: the whole trial, drops as grey marks, "
        "and how full the buffers were whenever they were sampled; nothing is known between "
        "samples.",
        transports=ways,
        panels=(
            *(_close(way, each, ways) for way, each in found),
            *(_overview(way, each, ways, scale) for way, each in found),
            *(_occupancy(way, each, ways, scale) for way, each in found if each.used_at_ns),
        ),
        notes=tuple(_note(way, each) for way, each in found),
    )


def _note(way: str, timeline: Timeline) -> str:
    shown = len(range(len(timeline.sampled))[_drawn(timeline.sampled)])
    words = f"{way}: {shown:,} of {counted(timeline.records, 'event is', 'events are')} drawn"
    if dropped := sum(gap.dropped for gap in timeline.gaps):
        words += f"; {dropped:,} dropped in {counted(len(timeline.gaps), 'gap')}"
    if timeline.gaps_left_out:
        words += f", and {counted(timeline.gaps_left_out, 'smaller gap')}"
    return f"{words}."


def _drawn(points: Points) -> slice:
    """Return which points of the whole trial are drawn."""
    return slice(None, None, max(1, -(-len(points) // _MOST_DRAWN)))


def _choose(summary: Summary) -> tuple[Comparison, tuple[TrialResult, TrialResult]] | None:
    """Return the trials of one comparison, one of each transport, that were most out of order.

    Trials read during their storm come first: the others arrive all at once.
    """
    best, most = None, (False, -1.0)
    for each in summary.comparisons:
        arms = summary.experiments[each.experiment].arms
        left, right = (
            [t for t in arms[side.arm].trials if t.timeline is not None and len(t.timeline.sampled)]
            for side in (each.left, each.right)
        )
        if left and right:
            pair = left[0], right[-1]
            late_ns = max(t.ordering.lateness_max_ns if t.ordering else 0 for t in pair)
            if (rank := (each.poll is not Poll.STOPPED, late_ns)) > most:
                most, best = rank, (each, pair)
    return best


def _cpu_shape(points: Points) -> dict[str, Any]:
    cpus = sorted(set(points.cpu))
    scale = {"domain": cpus, "range": [_SHAPES[at % len(_SHAPES)] for at in range(len(cpus))]}
    return {"field": "cpu", "type": "nominal", "legend": None, "scale": scale}


def _close(way: str, timeline: Timeline, ways: Sequence[str]) -> Panel:
    import altair as alt

    points = timeline.close
    begin_ns = latest_ns = min(points.kernel_ns)
    unit_ns, unit = (1e3, "µs") if max(points.kernel_ns) - begin_ns < 2e6 else (1e6, "ms")
    rows: list[Datum] = []
    for kernel_ns, delivered_ns, cpu in zip(*_columns(points), strict=True):
        behind_ns = max(latest_ns - kernel_ns, 0)
        latest_ns = max(latest_ns, kernel_ns)
        words = f"{way}, CPU {cpu}: delivered {time(delivered_ns - kernel_ns)} after its exit"
        rows.append(
            {
                "transport": way,
                "at": len(rows),
                "kernel": (kernel_ns - begin_ns) / unit_ns,
                "cpu": cpu,
                "late": behind_ns > 0,
                "words": words + (f", {time(behind_ns)} behind a later one" if behind_ns else ""),
            }
        )
    late = sum(row["late"] for row in rows)
    x = linear("kernel", f"kernel time of the exit, {unit}", {"nice": False}, tickCount=_FEW)
    y = linear("at", "place in the order of delivery", {}, tickCount=5)
    in_order: dict[str, Any] = {"order": alt.Order("at:Q"), "strokeDash": alt.Undefined}
    filled = alt.condition("datum.late", alt.value(0.9), alt.value(0))
    by_cpu = {"shape": _cpu_shape(points), "fillOpacity": filled, "fill": colour(ways)}
    line = {"strokeWidth": 1, "opacity": 0.5}
    dots = {"size": 26, "strokeWidth": 1.2, "opacity": 1}
    return _panel(
        f"{way}: {counted(len(rows), 'event')} in a row, {late} out of order (filled)",
        {"events": rows},
        layer("events", "line", ways, x, y, said=False, style=line, **in_order),
        layer("events", "point", ways, x, y, style=dots, **by_cpu),
        height=1.25 * _HEIGHT,
    )


def _columns(points: Points) -> tuple[Sequence[int], ...]:
    return points.kernel_ns, points.delivered_ns, points.cpu


def _overview(way: str, timeline: Timeline, ways: Sequence[str], scale: Mapping[str, Any]) -> Panel:
    import altair as alt

    points = timeline.sampled
    every = _drawn(points)
    rows: list[Datum] = [
        {
            "transport": way,
            "kernel": kernel_ns / 1e6,
            "delivered": delivered_ns / 1e6,
            "cpu": cpu,
            "words": f"{way}, CPU {cpu}: exit at {time(kernel_ns)}, delivered "
            f"{time(delivered_ns - kernel_ns)} later",
        }
        for kernel_ns, delivered_ns, cpu in zip(
            *(column[every] for column in _columns(points)), strict=True
        )
    ]
    gaps: list[Datum] = [
        {
            "transport": way,
            "begin": gap.begin_ns / 1e6,
            "end": gap.end_ns / 1e6,
            "words": f"{way}, CPU {gap.cpu}: {counted(gap.dropped, 'event')} dropped within "
            f"{time(gap.end_ns - gap.begin_ns)}",
        }
        for gap in timeline.gaps
    ]
    ends = {"x": alt.X("begin:Q", scale=scale), "x2": alt.X2("end:Q")}
    grey = chart_of("gaps").mark_rect(color=_GREY, stroke=_GREY, strokeWidth=1, opacity=0.35)
    grey = grey.encode(**ends, description=alt.Description("words:N"))
    title = "kernel time of the exit, ms after the storm began"
    x = linear("kernel", title, scale, tickCount=_FEW)
    y = linear("delivered", "delivered, ms", scale)
    dots = {"size": 12, "strokeWidth": 1, "opacity": 0.7}
    return _panel(
        f"{way}: delivery against kernel time" + (", grey: dropped" if gaps else ""),
        {"events": rows, "gaps": gaps},
        *([grey] if gaps else []),
        layer("events", "point", ways, x, y, style=dots, shape=_cpu_shape(points)),
    )


def _occupancy(
    way: str, timeline: Timeline, ways: Sequence[str], scale: Mapping[str, Any]
) -> Panel:
    import altair as alt

    rows: list[Datum] = [
        {
            "transport": way,
            "at": at_ns / 1e6,
            "used": used / 1024,
            "words": f"{way}: {size(used)} waiting at {time(at_ns)}",
        }
        for at_ns, used in zip(timeline.used_at_ns, timeline.used_bytes, strict=True)
        if 0 <= at_ns <= 1e6 * scale["domain"][1]
    ]
    x = linear("at", "ms after the storm began", scale, tickCount=_FEW)
    y = linear("used", "not yet read, KiB", {}, tickCount=4)
    return _panel(
        f"{way}: occupancy, {counted(len(rows), 'sample')}",
        {"used": rows},
        layer("used", "rule", ways, x, y, said=False, style={"opacity": 0.5}, y2=alt.datum(0)),
        layer("used", "point", ways, x, y, style={"size": 12, "strokeWidth": 1}),
        height=_HEIGHT / 2.4,
    )
