# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Forest plots drawn as SVG, a small one for each row of a table, all of a group on one scale."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from math import exp, inf, isfinite, log
from typing import Final

from bench.errors import clean
from bench.report.document import Effect, Effects
from bench.report.figure import look

_WIDTH: Final = 240
_EDGE: Final = 8
_MIDDLE: Final = 8
_HEIGHT: Final = 16
_WIDEST: Final = log(64)
"""A ratio beyond this, or its interval, reaches the edge of the plot."""

_TICKS: Final = (1.05, 1.1, 1.2, 1.5, 2, 4, 8, 16, 32)

Place = Callable[[float], float]


def drawing(effect: Effect, group: Effects) -> str:
    """Return the row of ``effect``: the band of noise, the interval and the point."""
    at = _places(group)
    line = at(1.0 if group.ratio else 0.0)
    low, high, point = at(effect.low), at(effect.high), at(effect.point)
    band = (1 / (1 + effect.margin), 1 + effect.margin) if group.ratio else (-effect.margin,) * 2
    left, right = (at(band[0]), at(band[1])) if group.ratio else (at(band[0]), at(-band[1]))
    colour = look(effect.better).colour if effect.better else "currentcolor"
    mark = (
        f'<path d="M{point} {_MIDDLE - 5}l5 5-5 5-5-5z"/>'
        if effect.duet
        else f'<circle cx="{point}" cy="{_MIDDLE}" r="3.5"/>'
    )
    return (
        f'<svg class="effect" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" style="--of:{colour}" '
        f'aria-label="{escape(clean(effect.words), quote=True)}">'
        f'<rect class="noise" x="{left}" y="1" width="{max(right - left, 0):.1f}" '
        f'height="{_HEIGHT - 2}"/>'
        f'<line class="axis" x1="{line}" x2="{line}" y1="0" y2="{_HEIGHT}"/>'
        f'<line class="span" x1="{low}" x2="{high}" y1="{_MIDDLE}" y2="{_MIDDLE}"/>{mark}</svg>'
    )


def axis(group: Effects) -> str:
    """Return the scale of ``group``: the line of no difference, and a tick to either side."""
    at = _places(group)
    _, most = _reach(group)
    if group.ratio:
        tick = max((each for each in _TICKS if log(each) <= 0.8 * most), default=exp(0.8 * most))
        ticks = [(1 / tick, f"{1 / tick:.2g}"), (1.0, "1"), (tick, f"{tick:.3g}")]
    else:
        tick = float(f"{0.8 * most:.1g}")
        ticks = [(-tick, f"-{100 * tick:.3g} pt"), (0.0, "0"), (tick, f"+{100 * tick:.3g} pt")]
    texts = "".join(
        f'<text x="{at(value)}" y="11" text-anchor="middle">{text}</text>' for value, text in ticks
    )
    return f'<svg class="effect" viewBox="0 0 {_WIDTH} 14" aria-hidden="true">{texts}</svg>'


def _reach(group: Effects) -> tuple[float, float]:
    """Return how far the plot goes to either side, in logs or as such."""
    bounds = [bound for each in group.rows for bound in (each.low, each.high, each.point)]
    if group.ratio:
        logs = [abs(log(bound)) for bound in bounds if 0 < bound < inf]
        most = min(max([*logs, log(1.05)]), _WIDEST)
    else:
        most = max([*(abs(bound) for bound in bounds if isfinite(bound)), 1e-4])
    return -most, most


def _places(group: Effects) -> Place:
    lowest, highest = _reach(group)

    def at(value: float) -> float:
        scaled = (
            (log(value) if 0 < value < inf else lowest if not value else highest)
            if (group.ratio)
            else value
        )
        share = (min(max(scaled, lowest), highest) - lowest) / (highest - lowest)
        return round(_EDGE + (_WIDTH - 2 * _EDGE) * share, 1)

    return at
