# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Figure: wake-ups per event against the load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bench.judge.numbers import number
from bench.questions.transports.figures.arms import ShownArm, compared, transports
from bench.questions.transports.material import Material
from bench.report.document import Figure, Panel
from bench.report.figure import HEIGHT, WIDTH, Row, chart_of, colour, powers, shape
from bench.trial.result import TrialResult

_KINDS: Final = (
    ("Raised by the producer", "interrupts (IWI) per event", "wakeups_raised_per_event"),
    ("Taken by the consumer", "useful polls per event", "wakeups_taken_per_event"),
    ("Switches of the consumer", "context switches per event", "switches_per_event"),
)
_rate: Final = number("own_attempted_per_s")


def figure(material: Material) -> Figure | None:
    """Draw three panels, one for each meaning of the word."""
    arms = compared(material)
    ways = transports(arms)
    panels = tuple(
        found
        for title, axis, key in _KINDS
        if (found := _panel(title, axis, number(key), arms, ways)) is not None
    )
    if not panels:
        return None
    return Figure(
        key="wakeups",
        title="Wake-ups against load",
        reading="Lower is cheaper: each point is one trial, from slow trickles at the left to "
        "storms at the right. One per event means that each event woke the consumer; at high load "
        "a consumer that stays awake is woken less.",
        transports=ways,
        panels=panels,
    )


def _panel(
    title: str,
    axis: str,
    take: Callable[[TrialResult], float | None],
    arms: Sequence[ShownArm],
    ways: Sequence[str],
) -> Panel | None:
    import altair as alt

    points: list[Row] = []
    for arm in arms:
        for trial in arm.trials:
            rate, value = _rate(trial), take(trial)
            if rate and value is not None:
                points.append(
                    {
                        "transport": arm.transport,
                        "rate": rate,
                        "value": value,
                        "words": f"{arm.experiment}, {arm.transport}: {value:.3f} per event at "
                        f"{rate:,.0f} events/s",
                    }
                )
    if not points:
        return None
    rates = [row["rate"] for row in points]
    chart = (
        chart_of("points")
        .mark_point(size=30, opacity=0.75)
        .encode(
            x=alt.X(
                "rate:Q",
                title="events a second",
                scale={"type": "log", "domain": [0.8 * min(rates), 1.25 * max(rates)]},
                axis={"values": _ticks(rates), "format": "~s", "grid": False},
            ),
            y=alt.Y("value:Q", title=axis, scale={"zero": True, "nice": True}),
            color=colour(ways),
            shape=shape(ways),
            description=alt.Description("words:N"),
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    return Panel(title=title, chart=chart, data={"points": points})


def _ticks(rates: Sequence[float]) -> list[float]:
    """Return 1, 2 and 5 times each power of ten within reach."""
    return [
        step * power
        for power in powers(min(rates), max(rates))
        for step in (1, 2, 5)
        if 0.8 * min(rates) <= step * power <= 1.25 * max(rates)
    ]
