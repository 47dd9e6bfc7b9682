# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw figures of rows: a point per trial, a bar at the median; and the chart of violations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from bench.amounts import counted, share, time
from bench.judge.metrics import Unit
from bench.judge.numbers import number
from bench.questions.transports.figures.panels import (
    ShownArm,
    compared,
    layer,
    panel,
    side_by_side,
)
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import place
from bench.report import figure
from bench.report.document import Figure, Panel
from bench.report.units import number as written
from bench.tracer.transports import ranked
from bench.trial.result import TrialResult

_ROW_HEIGHT: Final = 26
_PLACE_HEIGHT: Final = 22  # pixels, as are all of these
_LABELS: Final = 150
_MOST_ROWS: Final = 24
_ZERO: Final = 0.12
_EDGE: Final = 0.03
"""Shares of an axis: from 0 to the first number of a logarithm, and beyond its ends."""


@dataclass(frozen=True, slots=True)
class _Strip:
    """Hold the number of each trial that a strip shows."""

    title: str
    axis: str
    take: Callable[[TrialResult], float | None]  # None: unknown
    words: Callable[[float], str] = time
    labels: Callable[[Sequence[float]], str] = figure.ns_labels  # of an axis with these ticks


def _consumer_ns(trial: TrialResult) -> float | None:
    seconds = number("consumer_cpu_s_per_million")(trial)
    return None if seconds is None else seconds * 1e3


def _storm_ns(trial: TrialResult) -> float | None:
    """Return the length of a storm over its processes; None if two arms shared it."""
    duet = trial.config.duet
    return number("storm_ns_per_process")(trial) if duet is None or duet.solo else None


def lateness(summary: Summary) -> Figure:
    """Draw how many events were late, how late, and the worst of each trial."""
    return _figure(
        summary,
        _Strip(
            "Events out of order",
            "events in a trial",
            number("inversions"),
            lambda value: f"{written(value, Unit.COUNT)} event{'s' * (value != 1)} out of order",
            lambda _: figure.COUNT_LABELS,
        ),
        _Strip("Lateness, p99 of those", "behind the latest seen", number("lateness_p99_ns")),
        _Strip("Lateness, the worst", "behind the latest seen", number("lateness_max_ns")),
        key="lateness",
        title="Lateness of out-of-order events",
        reading="An event is late by how far its kernel timestamp lies behind the latest one "
        "delivered before it; at 0 are the trials without any. Microseconds come from "
        "concurrency, milliseconds from draining one buffer after another.",
    )


_KERNEL_TIME: Final = (
    "Kernel time is counted in trials of their own, since counting costs. Most of it may be the "
    "wake-up, which is expensive under virtualisation; the tables also give it net of wake-ups."
)


def cost(summary: Summary) -> Figure:
    """Draw the cost of an event in the consumer, in the kernel and in the workload."""
    kernel_axis = "time in the BPF program, wake-ups included"
    per_process = "length of the storm over its processes"
    return _figure(
        summary,
        _Strip("Consumer CPU per event", "CPU time per event delivered", _consumer_ns),
        _Strip("Kernel time per exit", kernel_axis, number("kernel_ns_per_run")),
        _Strip("Storm time per process", per_process, _storm_ns),
        key="cost",
        title="Cost per event",
        reading="Compare within a row, and only by the paired ratios of the tables: machines "
        "drift between trials.",
        notes=(_KERNEL_TIME,),
    )


def _figure(summary: Summary, *strips: _Strip, reading: str, **texts: Any) -> Figure:
    arms = compared(summary)
    ways = ranked(arm.transport for arm in arms)
    panels = (_panel(strip, arms, ways) for strip in strips)
    return Figure(
        reading=f"Further left is better: each point is one trial, the bar the median. {reading}",
        transports=ways,
        panels=tuple(filter(None, panels)),
        **texts,
    )


def _panel(strip: _Strip, arms: Sequence[ShownArm], ways: Sequence[str]) -> Panel | None:
    """Draw the strip of these arms; None if no trial has the number."""
    drawn: dict[tuple[str, str], list[float]] = defaultdict(list)
    for arm in arms:
        known = [value for value in map(strip.take, arm.trials) if value is not None]
        if known:
            drawn[arm.experiment, arm.transport] += known
    rows = list(dict.fromkeys(experiment for experiment, _ in drawn))[:_MOST_ROWS]
    points: list[figure.Datum] = []
    medians: list[figure.Datum] = []
    for (experiment, transport), values in drawn.items():
        common = {"experiment": experiment, "transport": transport}
        where, middle = f"{experiment}, {transport}", median(values)
        if experiment in rows:
            for value, n in Counter(values).items():
                more = f", {counted(n, 'trial')}" if n > 1 else ""
                words = f"{where}: {strip.words(value)}{more}"
                points.append({**common, "value": value, "words": words})
            words = f"{where}: median {strip.words(middle)} of {counted(len(values), 'trial')}"
            medians.append({**common, "value": middle, "words": words})
    above = [row["value"] for row in points if row["value"] > 0]
    if not above:
        return None
    ticks = figure.steps(min(above), max(above))
    first, last, labels = ticks[0], ticks[-1], strip.labels(ticks)
    if any(row["value"] <= 0 for row in points):
        # A logarithmic axis has no 0: it is drawn before the rest.
        zero = first * (first / last) ** _ZERO
        labels = f"datum.value < {first} ? '0' : {labels}"
        for row in (*points, *medians):
            row["value"] = max(row["value"], zero)
        ticks, first = [zero, *ticks], zero
    edge = (last / first) ** _EDGE
    domain = (first / edge, last * edge)
    x = figure.logarithmic("value", strip.axis, ticks, domain, labelExpr=labels)
    y = {
        "shorthand": "experiment:N",
        "sort": rows,
        "title": None,
        "scale": {"domain": rows, "paddingInner": 0.15, "paddingOuter": 0.1},
        "axis": {"domain": False, "ticks": False, "grid": False, "labelLimit": 80},
    }
    offset = side_by_side(ways)
    bar = {"thickness": 3, "size": _ROW_HEIGHT / 2 - 3}
    return panel(
        strip.title,
        {"points": points, "medians": medians},
        layer("points", "point", ways, x, y, style={"size": 22, "opacity": 0.6}, yOffset=offset),
        layer("medians", "tick", ways, x, y, style=bar, yOffset=offset),
        width=figure.WIDTH - 30,
        height=max(2, len(rows)) * _ROW_HEIGHT,
    )


def violations(summary: Summary) -> Figure | None:
    """Chart the share of causal pairs in the wrong order; None without any violation."""
    every = list(_violations(summary))
    violated = {row["place"] for row in every if row["share"]}
    if not violated:
        return None
    rows = [row for row in every if row["place"] in violated]
    without = len({row["place"] for row in every}) - len(violated)
    ways = ranked({row["transport"] for row in rows})
    places = list(dict.fromkeys(row["place"] for row in rows))
    x = figure.linear(
        "share",
        "share of causal pairs delivered parent first",
        {"domain": [0, max(row["share"] for row in rows)], "nice": 4},
        labelExpr=figure.SHARE_LABELS,
        labelFlush=True,  # at the edge of a narrow panel there may be no room beyond the axis
        tickCount=4,
    )
    # A page's font may be wider than the one that the chart is laid out with.
    axis = {**figure.ALL_LABELLED, "minExtent": _LABELS}
    y = {"field": "place", "type": "nominal", "sort": places, "title": None, "axis": axis}
    dots = {"filled": True, "size": 45, "opacity": 1}
    drawing = panel(
        "Causal violations by experiment and budget",
        {"pairs": rows},
        layer("pairs", "point", ways, x, y, style=dots, yOffset=side_by_side(ways)),
        width=figure.WIDTH - 40,
        height=_PLACE_HEIGHT * len(places),
        wide=True,
    )
    return Figure(
        key="violations",
        title="Causal violations",
        reading="Lower is better: the share of causal pairs, over all trials, that were delivered "
        "in the wrong order, a parent before a child that it had waited for.",
        transports=ways,
        panels=(drawing,),
        notes=(f"No violation on either side in {without} more.",) if without else (),
    )


def _violations(summary: Summary) -> Iterator[figure.Datum]:
    """Yield a row for each side of every comparison that delivered causal pairs."""
    for each in summary.comparisons:
        for side in (each.left, each.right):
            if side.causal_pairs:
                found = side.causal_violations / side.causal_pairs
                yield {
                    "transport": side.transport,
                    "place": place(each),
                    "share": found,
                    "words": f"{side.transport}, {place(each)}: {side.causal_violations:,} of "
                    f"{side.causal_pairs:,} pairs ({share(found)})",
                }
