# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make parts of charts: the arms of comparisons, layers of marks, panels of layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import clean
from bench.judge.comparison import Comparison
from bench.questions.transports.standing import lost
from bench.questions.transports.summary import Summary
from bench.report.document import Panel
from bench.report.figure import HEIGHT, WIDTH, Datum, chart_of, colour, dash, shape
from bench.trial.result import TrialResult

if TYPE_CHECKING:
    import altair as alt

Channel = Mapping[str, Any]
"""The arguments of altair's class of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownArm:
    """Name one arm of an experiment; experiment, transport and variant are safe to show."""

    experiment: str
    transport: str
    variant: str
    name: str
    budget_bytes: int  # actual data bytes
    trials: tuple[TrialResult, ...]  # those that count


def shown_arms(summary: Summary) -> Iterator[ShownArm]:
    """Yield every arm with a transport and trials, except second names of A/A pairs."""
    for experiment, arm in summary.tracing_arms():
        yield ShownArm(
            experiment=clean(experiment),
            transport=clean(arm.name.transport),
            variant=clean(arm.name.variant),
            name=arm.name,
            budget_bytes=arm.config.budget_bytes,
            trials=arm.trials,
        )


def calm(summary: Summary) -> dict[str, Comparison]:
    """Return each experiment's comparison at the budget where least was lost."""
    chosen: dict[str, Comparison] = {}
    for each in summary.comparisons:  # smallest budget first
        if each.experiment not in chosen or lost(each) < lost(chosen[each.experiment]):
            chosen[each.experiment] = each
    return chosen


def compared(summary: Summary) -> list[ShownArm]:
    """Return the arms of each experiment at the budget where least was lost."""
    chosen = {
        (each.experiment, side.arm)
        for each in calm(summary).values()
        for side in (each.left, each.right)
    }
    return [arm for arm in shown_arms(summary) if (arm.experiment, arm.name) in chosen]


def layer(
    data: str,
    mark: str,
    ways: Sequence[str],
    x: Channel,
    y: Channel,
    *,
    said: bool = True,
    style: Mapping[str, Any],
    **channels: Any,
) -> alt.Chart:
    """Return marks of the panel's ``data`` in the colours of the transports ``ways``.

    Points have the transports' shapes and lines their dashes, unless ``channels`` has others.
    If ``said``, a screen reader gets the words of each row.
    """
    import altair as alt

    if mark == "point":
        channels.setdefault("shape", shape(ways))
    elif mark == "line":
        channels.setdefault("strokeDash", dash(ways))
    if said:
        channels["description"] = alt.Description("words:N")
    chart = getattr(chart_of(data), f"mark_{mark}")(**style, **({} if said else {"aria": False}))
    found: alt.Chart = chart.encode(x=alt.X(**x), y=alt.Y(**y), color=colour(ways), **channels)
    return found


def side_by_side(ways: Sequence[str]) -> Channel:
    """Return the channel that stacks the transports of one row."""
    return {"field": "transport", "type": "nominal", "scale": {"domain": list(ways)}}


def panel(
    title: str,
    data: Mapping[str, Sequence[Datum]],
    *layers: alt.Chart,
    width: float = WIDTH,
    height: float = HEIGHT,
    wide: bool = False,
) -> Panel:
    """Return a panel of these layers, the lowest first."""
    import altair as alt

    chart = layers[0] if len(layers) == 1 else alt.layer(*layers)
    return Panel(
        title=title, chart=chart.properties(width=width, height=height), data=data, wide=wide
    )
