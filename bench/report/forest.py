# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw forest plots as SVG, a small one for each row of a table, a group on one scale."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from math import exp, inf, isfinite, log
from typing import Final

from bench.amounts import bound
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


def drawing(effect: Effect, group: Effects) -> str:
    """Return the row of ``effect``: the band of noise, the interval and the point."""
    at, margin = _scale(group), effect.margin
    line = at(1.0 if group.ratio else 0.0)
    low, high, point = map(at, (effect.low, effect.high, effect.point))
    left, right = map(at, (1 / (1 + margin), 1 + margin) if group.ratio else (-margin, margin))
    colour = look(effect.better).colour if effect.better else "currentcolor"
    mark = (
        f'<path d="M{point} {_MIDDLE - 5}l5 5-5 5-5-5z"/>'
        if effect.duet
        else f'<circle cx="{point}" cy="{_MIDDLE}" r="3.5"/>'
    )
    return (
        f'<svg class="effect" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" style="--of:{colour}" '
        f'aria-label="{escape(clean(effect.words), quote=True)}">'
        f'<rect class="noise" x="{left}" y="1" width="{right - left:.1f}" height="{_HEIGHT - 2}"/>'
        f'<line class="axis" x1="{line}" x2="{line}" y1="0" y2="{_HEIGHT}"/>'
        f'<line class="span" x1="{low}" x2="{high}" y1="{_MIDDLE}" y2="{_MIDDLE}"/>{mark}</svg>'
    )


def axis(group: Effects) -> str:
    """Return the scale of ``group``: the line of no difference, and a tick to either side."""
    at, most = _scale(group), 0.8 * _reach(group)
    if group.ratio:
        tick = max((each for each in _TICKS if log(each) <= most), default=exp(most))
        ticks = [(1 / tick, f"{1 / tick:.2g}"), (1.0, "1"), (tick, f"{tick:.3g}")]
    else:
        tick = float(f"{most:.1g}")
        words = bound(tick, "pt")
        ticks = [(-tick, f"-{words}"), (0.0, "0"), (tick, f"+{words}")]
    texts = "".join(
        f'<text x="{at(value)}" y="11" text-anchor="middle">{text}</text>' for value, text in ticks
    )
    return f'<svg class="effect" viewBox="0 0 {_WIDTH} 14" aria-hidden="true">{texts}</svg>'


def _reach(group: Effects) -> float:
    """Return how far the plot extends to either side: for ratios, as a logarithm."""
    bounds = [bound for each in group.rows for bound in (each.low, each.high, each.point)]
    if group.ratio:
        logs = (abs(log(bound)) for bound in bounds if 0 < bound < inf)
        return min(max([log(1.05), *logs]), _WIDEST)
    return max([1e-4, *(abs(bound) for bound in bounds if isfinite(bound))])


def _scale(group: Effects) -> Callable[[float], float]:
    """Return the function from a number to its position; those beyond the reach are at an edge."""
    reach = _reach(group)

    def at(value: float) -> float:
        if group.ratio:
            value = log(value) if value > 0 else -inf
        share = (min(max(value, -reach), reach) / reach + 1) / 2
        return round(_EDGE + (_WIDTH - 2 * _EDGE) * share, 1)

    return at
