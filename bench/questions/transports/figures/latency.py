# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figure: latency as percentile curves, from the histograms of all blocks merged."""

from __future__ import annotations

from typing import Final

from bench.measure import latency
from bench.plan.experiments import ArmName
from bench.questions.transports.figures.arms import calm_budgets
from bench.questions.transports.material import Material
from bench.report.document import Figure, Panel
from bench.report.figure import HEIGHT, NS_LABELS, WIDTH, Row, chart_of, colour, dash, powers, shape
from bench.report.units import budget, clean, share, time

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


def figure(material: Material) -> Figure | None:
    """Draw a panel for each experiment, at the budget where least was lost."""
    panels = []
    ways: dict[str, None] = {}
    chosen = calm_budgets(material.summary)
    for experiment, arms in list(chosen.items())[:_MOST_PANELS]:
        panel = _panel(material, experiment, arms)
        if panel is not None:
            panels.append(panel)
            ways.update(dict.fromkeys(clean(ArmName.parse(arm).transport) for arm in arms))
    if not panels:
        return None
    return Figure(
        key="latency",
        title="Latency",
        reading="Lower is better: of all events, the share on the x axis was delivered within the "
        "time on the y axis (both logarithmic). Right of p99 are the slowest in a hundred. What "
        "was dropped has no latency: a transport that drops looks quick.",
        transports=tuple(ways),
        panels=tuple(panels),
        notes=_left_out([clean(each) for each in chosen][_MOST_PANELS:]),
    )


def _left_out(names: list[str]) -> tuple[str, ...]:
    return (f"Only in the tables: {', '.join(names)}.",) if names else ()


def _panel(material: Material, experiment: str, arms: tuple[str, str]) -> Panel | None:
    import altair as alt

    curve: list[Row] = []
    marks: list[Row] = []
    drops: list[str] = []
    for arm in arms:
        samples = material.experiments[experiment].arms[arm]
        transport = clean(ArmName.parse(arm).transport)
        parts = [t.latency for t in samples.trials if t.latency is not None and t.latency.count]
        if not parts:
            continue
        count = sum(part.count for part in parts)
        merged = latency.merge(part.histogram for part in parts)
        # Beyond 1 - 1 / count there is only the maximum.
        reached = [q for q in _CURVE if q <= 1 - 1 / count]
        times = latency.percentiles_of(merged, reached)
        curve += (
            {"transport": transport, "nines": 1 / (1 - q), "ns": max(ns, 1)}
            for q, ns in zip(reached, times, strict=True)
        )
        marked = [q for q in _MARKED if q <= 1 - 1 / count]
        marks += (
            {
                "transport": transport,
                "nines": round(1 / (1 - q)),
                "ns": max(ns, 1),
                "words": f"{transport}: p{100 * q:g} {time(ns)} ({count:,} events)",
            }
            for q, ns in zip(marked, latency.percentiles_of(merged, marked), strict=True)
        )
        ledgers = [trial.ledger for trial in samples.trials if trial.ledger is not None]
        lost = sum(ledger.own_dropped for ledger in ledgers)
        attempted = sum(ledger.own_attempted for ledger in ledgers)
        if lost and attempted:
            drops.append(f"{transport} lost {share(lost / attempted)}")
    if not curve:
        return None
    ways = tuple(dict.fromkeys(row["transport"] for row in curve))
    ticks = powers(min(row["ns"] for row in curve), max(row["ns"] for row in curve))
    x = alt.X(
        "nines:Q",
        title="percentile",
        scale={"type": "log", "domain": [1, max(row["nines"] for row in curve)]},
        axis={"values": [2, 10, 100, 1_000, 10_000], "labelExpr": _NINES},
    )
    y = alt.Y(
        "ns:Q",
        title="kernel timestamp to delivery",
        scale={"type": "log", "domain": [ticks[0], ticks[-1]]},
        axis={"values": ticks, "labelExpr": NS_LABELS},
    )
    lines = (
        chart_of("curve")
        .mark_line(strokeWidth=2, aria=False, interpolate="step-after")
        .encode(x=x, y=y, color=colour(ways), strokeDash=dash(ways))
    )
    points = (
        chart_of("marks")
        .mark_point(size=45, filled=True, opacity=1)
        .encode(
            x=x, y=y, color=colour(ways), shape=shape(ways), description=alt.Description("words:N")
        )
    )
    title = f"{clean(experiment)} at {budget(ArmName.parse(arms[0]).budget)}"
    if drops:
        title += f" ({', '.join(drops)})"
    chart = alt.layer(lines, points).properties(width=WIDTH, height=HEIGHT)
    return Panel(title=title, chart=chart, data={"curve": curve, "marks": marks})
