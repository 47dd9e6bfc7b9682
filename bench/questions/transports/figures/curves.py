# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw figures of points and lines: loss against budget, latency, wake-ups against load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from bench.amounts import counted, share, size, time
from bench.errors import clean
from bench.judge.comparison import Comparison
from bench.judge.numbers import number
from bench.measure.bins import Bins, percentiles
from bench.questions.transports.figures.panels import (
    ShownArm,
    calm,
    compared,
    layer,
    panel,
    shown_arms,
)
from bench.questions.transports.summary import Summary
from bench.report import figure
from bench.report.document import Figure, Panel
from bench.report.units import budget
from bench.tracer.transports import ranked

_MOST_PANELS: Final = 9
_MARKED: Final = (0.5, 0.9, 0.99, 0.999, 0.9999)
_CURVE: Final = (
    *(step / 40 for step in range(4, 36)),
    *(1 - 10 ** -(1 + step / 12) for step in range(49)),
)
_NINES: Final = (
    "datum.value == 1 ? 'p0' : datum.value == 2 ? 'p50' : datum.value == 10 ? 'p90' : "
    "datum.value == 100 ? 'p99' : datum.value == 1000 ? 'p99.9' : "
    "datum.value == 10000 ? 'p99.99' : ''"
)
_WAKEUPS: Final = (
    ("Raised by the producer", "interrupts (IWI) per event", "wakeups_raised_per_event"),
    ("Taken by the consumer", "useful polls per event", "wakeups_taken_per_event"),
    ("Switches of the consumer", "context switches per event", "switches_per_event"),
)
_LINE: Final = {"strokeWidth": 2}
_lost: Final = number("own_dropped_share")
_rate: Final = number("own_attempted_per_s")


def loss(summary: Summary) -> Figure:
    """Draw a panel for each experiment that ran several budgets and lost something."""
    found: dict[str, list[ShownArm]] = defaultdict(list)
    for arm in shown_arms(summary):
        if not arm.variant:
            found[arm.experiment].append(arm)
    several = {n: arms for n, arms in found.items() if len({e.budget_bytes for e in arms}) > 1}
    ways = ranked(arm.transport for arms in several.values() for arm in arms)
    lossy = {
        n: arms for n, arms in several.items() if any(_lost(t) for e in arms for t in e.trials)
    }
    lossless = ", ".join(name for name in several if name not in lossy)
    return Figure(
        key="loss",
        title="Loss against budget",
        reading="Lower is better: each point is one storm, the line the mean over storms. Where a "
        "line touches zero, no storm lost anything.",
        transports=ways,
        panels=tuple(_loss(name, arms, ways) for name, arms in lossy.items()),
        notes=(f"At no budget was anything lost in: {lossless}.",) if lossless else (),
    )


def _loss(name: str, arms: Sequence[ShownArm], ways: Sequence[str]) -> Panel:
    points: list[figure.Datum] = []
    means: list[figure.Datum] = []
    for arm in arms:
        common = {"transport": arm.transport, "budget": arm.budget_bytes}
        if shares := [value for value in map(_lost, arm.trials) if value is not None]:
            points += ({**common, "lost": value} for value in sorted(set(shares)))
            storms = f"{sum(value > 0 for value in shares)} of {counted(len(shares), 'storm')}"
            words = f"{arm.transport}, {size(arm.budget_bytes)}: {share(fmean(shares))} lost on "
            words += f"average, {storms} lost something"
            means.append({**common, "lost": fmean(shares), "words": words})
    budgets = sorted({row["budget"] for row in means})
    ticks = (
        list(map(float, budgets))
        if len(budgets) <= 9
        else figure.powers(budgets[0], budgets[-1], 8)
    )
    domain, title = (budgets[0] / 1.3, budgets[-1] * 1.3), "budget, data bytes over all CPUs"
    labels = figure.bytes_labels(ticks)
    x = figure.logarithmic("budget", title, ticks, domain, 2, labelExpr=labels, grid=False)
    scale = {"domainMin": 0, "nice": True}
    y = figure.linear(
        "lost", "share of events lost", scale, labelExpr=figure.SHARE_LABELS, tickCount=5
    )
    dots = {"size": 60, "filled": True, "opacity": 1}
    return panel(
        name,
        {"points": points, "means": means},
        layer("points", "point", ways, x, y, said=False, style={"size": 16, "opacity": 0.45}),
        layer("means", "line", ways, x, y, said=False, style=_LINE),
        layer("means", "point", ways, x, y, style=dots),
    )


def latency(summary: Summary) -> Figure:
    """Draw percentiles for each experiment, at the budget where least was lost."""
    chosen = list(calm(summary).values())
    drawn = ((each, _latency(summary, each)) for each in chosen[:_MOST_PANELS])
    found = [(each, panel) for each, panel in drawn if panel is not None]
    names = ", ".join(clean(each.experiment) for each in chosen[_MOST_PANELS:])
    sides = (clean(side.transport) for each, _ in found for side in (each.left, each.right))
    return Figure(
        key="latency",
        title="Latency",
        reading="Lower is better: of all events, the share on the x axis was delivered within the "
        "time on the y axis (both logarithmic). Right of p99 are the slowest in a hundred. What "
        "was dropped has no latency, so a transport that drops looks faster than it is.",
        transports=tuple(dict.fromkeys(sides)),
        panels=tuple(panel for _, panel in found),
        notes=(f"Only in the tables: {names}.",) if names else (),
    )


def _latency(summary: Summary, comparison: Comparison) -> Panel | None:
    curve: list[figure.Datum] = []
    marks: list[figure.Datum] = []
    drops: list[str] = []
    for side in (comparison.left, comparison.right):
        way = clean(side.transport)
        trials = summary.experiments[comparison.experiment].arms[side.arm].trials
        parts = [t.latency for t in trials if t.latency is not None and t.latency.count]
        if not parts:
            continue
        count, most_ns = sum(part.count for part in parts), max(part.max_ns for part in parts)
        merged = Bins.of(part.histogram for part in parts).merged()
        for shares, rows in ((_CURVE, curve), (_MARKED, marks)):
            # Beyond 1 - 1 / count there is only the maximum.
            reached = [q for q in shares if q <= 1 - 1 / count]
            found_ns = percentiles(merged, reached, most_ns)
            for q, ns in zip(reached, found_ns, strict=True):
                rows.append({"transport": way, "nines": 1 / (1 - q), "ns": max(ns, 1)})
                if rows is marks:
                    words = f"{way}: p{100 * q:g} {time(ns)} ({counted(count, 'event')})"
                    rows[-1] |= {"nines": round(1 / (1 - q)), "words": words}
        if side.own_dropped:
            drops.append(f"{way} lost {share(side.own_dropped / side.own_attempted)}")
    if not curve:
        return None
    ways = tuple(dict.fromkeys(row["transport"] for row in curve))
    ticks = figure.steps(min(row["ns"] for row in curve), max(row["ns"] for row in curve))
    nines = (1, max(row["nines"] for row in curve))
    labelled = [2, 10, 100, 1_000, 10_000]
    x = figure.logarithmic("nines", "percentile", labelled, nines, labelExpr=_NINES)
    ends, title = (ticks[0], ticks[-1]), "kernel timestamp to delivery"
    y = figure.logarithmic("ns", title, ticks, ends, labelExpr=figure.NS_LABELS)
    step = {**_LINE, "interpolate": "step-after"}
    dots = {"size": 45, "filled": True, "opacity": 1}
    return panel(
        f"{clean(comparison.experiment)} at {budget(comparison.budget)}"
        + (f" ({', '.join(drops)})" if drops else ""),
        {"curve": curve, "marks": marks},
        layer("curve", "line", ways, x, y, said=False, style=step),
        layer("marks", "point", ways, x, y, style=dots),
    )


def wakeups(summary: Summary) -> Figure:
    """Draw three panels, one for each meaning of "wake-up"."""
    arms = compared(summary)
    ways = ranked(arm.transport for arm in arms)
    return Figure(
        key="wakeups",
        title="Wake-ups against load",
        reading="Lower is cheaper: each point is one trial, from slow trickles at the left to "
        "storms at the right. One per event means that each event woke the consumer; at high load "
        "a consumer that stays awake is woken less.",
        transports=ways,
        panels=tuple(filter(None, (_wakeups(*each, arms, ways) for each in _WAKEUPS))),
    )


def _wakeups(
    title: str, axis: str, key: str, arms: Sequence[ShownArm], ways: Sequence[str]
) -> Panel | None:
    take = number(key)
    points: list[figure.Datum] = []
    for arm in arms:
        of_arm = {"transport": arm.transport}
        for rate, value in ((_rate(trial), take(trial)) for trial in arm.trials):
            if rate and value is not None:
                words = f"{value:.3f} per event at {rate:,.0f} events/s"
                words = f"{arm.experiment}, {arm.transport}: {words}"
                points.append({**of_arm, "rate": rate, "value": value, "words": words})
    if not points:
        return None
    rates = [row["rate"] for row in points]
    low, high = 0.8 * min(rates), 1.25 * max(rates)
    ticks = [each for each in figure.steps(min(rates), max(rates)) if low <= each <= high]
    x = figure.logarithmic("rate", "events a second", ticks, (low, high), format="~s", grid=False)
    y = figure.linear("value", axis, {"zero": True, "nice": True})
    dots = {"size": 30, "opacity": 0.75}
    return panel(title, {"points": points}, layer("points", "point", ways, x, y, style=dots))
