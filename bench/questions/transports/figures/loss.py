# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figure: what was lost against the budget."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean

from bench.questions.transports.figures.arms import ShownArm, shown_arms, transports
from bench.questions.transports.material import Material
from bench.report.document import Figure, Panel
from bench.report.figure import (
    BYTES_LABELS,
    HEIGHT,
    WIDTH,
    Row,
    chart_of,
    colour,
    dash,
    powers,
    shape,
)
from bench.report.units import share, size
from bench.trial.result import TrialResult


def figure(material: Material) -> Figure | None:
    """Draw a panel for each experiment that ran several budgets and lost something."""
    by_experiment: dict[str, list[ShownArm]] = defaultdict(list)
    for arm in shown_arms(material.experiments):
        if not arm.variant:
            by_experiment[arm.experiment].append(arm)
    several = {
        name: arms
        for name, arms in by_experiment.items()
        if len({arm.budget_bytes for arm in arms}) > 1
    }
    if not several:
        return None
    ways = transports([arm for arms in several.values() for arm in arms])
    lossless = [name for name, arms in several.items() if not any(map(_lossy, arms))]
    panels = tuple(
        _panel(name, arms, ways) for name, arms in several.items() if name not in lossless
    )
    notes = (f"At no budget was anything lost in: {', '.join(lossless)}.",) if lossless else ()
    return Figure(
        key="loss",
        title="Loss against budget",
        reading="Lower is better: each point is one storm, the line the mean over storms. Where a "
        "line touches zero, the budget was enough.",
        transports=ways,
        panels=panels,
        notes=notes,
    )


def _share(trial: TrialResult) -> float | None:
    ledger = trial.ledger
    return ledger.own_dropped / ledger.own_attempted if ledger and ledger.own_attempted else None


def _lossy(arm: ShownArm) -> bool:
    return any(_share(trial) for trial in arm.trials)


def _panel(name: str, arms: list[ShownArm], ways: tuple[str, ...]) -> Panel:
    import altair as alt

    points: list[Row] = []
    means: list[Row] = []
    for arm in arms:
        common = {"transport": arm.transport, "budget": arm.budget_bytes}
        shares = [value for trial in arm.trials if (value := _share(trial)) is not None]
        if not shares:
            continue
        where = f"{arm.transport}, {size(arm.budget_bytes)}"
        lossy = sum(value > 0 for value in shares)
        points += ({**common, "lost": value} for value in sorted(set(shares)))
        means.append(
            {
                **common,
                "lost": fmean(shares),
                "words": f"{where}: {share(fmean(shares))} lost on average, "
                f"{lossy} of {len(shares)} storms lost something",
            }
        )
    budgets = sorted({row["budget"] for row in means})
    x = alt.X(
        "budget:Q",
        title="budget, data bytes over all CPUs",
        scale={"type": "log", "base": 2, "domain": [budgets[0] / 1.3, budgets[-1] * 1.3]},
        axis={"values": _ticks(budgets), "labelExpr": BYTES_LABELS, "grid": False},
    )
    y = alt.Y(
        "lost:Q",
        title="share of events lost",
        scale={"domainMin": 0, "nice": True},
        axis={"format": "~%", "tickCount": 5},
    )
    cloud = (
        chart_of("points")
        .mark_point(size=16, opacity=0.45, aria=False)
        .encode(x=x, y=y, color=colour(ways), shape=shape(ways))
    )
    line = (
        chart_of("means")
        .mark_line(strokeWidth=2, aria=False)
        .encode(x=x, y=y, color=colour(ways), strokeDash=dash(ways))
    )
    marks = (
        chart_of("means")
        .mark_point(size=60, filled=True, opacity=1)
        .encode(
            x=x, y=y, color=colour(ways), shape=shape(ways), description=alt.Description("words:N")
        )
    )
    chart = alt.layer(cloud, line, marks).properties(width=WIDTH, height=HEIGHT)
    return Panel(title=name, chart=chart, data={"points": points, "means": means})


def _ticks(budgets: list[int]) -> list[float]:
    """Return the budgets themselves where they are few, else powers of eight."""
    return (
        [float(each) for each in budgets]
        if len(budgets) <= 5
        else powers(budgets[0], budgets[-1], 8)
    )
