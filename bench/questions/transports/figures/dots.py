# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The blocks of a claim as points on a line, with the interval and what it was held against.

A claim has one such line, a page dozens: written here, they cost nothing to draw.
"""

from __future__ import annotations

from math import isfinite, log
from typing import Final

from bench.judge.metrics import Unit
from bench.questions.claims.finding import Measured
from bench.report.units import number

_WIDTH: Final = 360
_EDGE: Final = 12
_MIDDLE: Final = 14


def points(measured: Measured) -> str:
    """SVG of every block; "" where there are none. Ratios stand on a logarithmic line."""
    shown = [measured.low, measured.high, measured.bound, *measured.blocks]
    if not measured.blocks or not all(map(isfinite, shown)):
        return ""
    ratios = measured.unit is Unit.TIMES and min(shown) > 0
    lowest, highest = min(shown), max(shown)
    span = (log(highest / lowest) if ratios else highest - lowest) or 1.0

    def at(value: float) -> float:
        share = log(value / lowest) if ratios else value - lowest
        return round(_EDGE + (_WIDTH - 2 * _EDGE) * share / span, 1)

    low, high, bound = at(measured.low), at(measured.high), at(measured.bound)
    circles = "".join(
        f'<circle cx="{at(value)}" cy="{_MIDDLE}" r="3.5"/>' for value in measured.blocks
    )
    words = (
        f"{len(measured.blocks)} blocks from {number(lowest, measured.unit)} to "
        f"{number(highest, measured.unit)}; bound {number(measured.bound, measured.unit)}"
    )
    return (
        f'<svg class="dots" viewBox="0 0 {_WIDTH} 28" width="{_WIDTH}" role="img" '
        f'aria-label="{words}"><title>{words}</title>'
        f'<line class="axis" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{_MIDDLE}" y2="{_MIDDLE}"/>'
        f'<rect class="interval" x="{low}" y="{_MIDDLE - 6}" width="{max(high - low, 1):.1f}" '
        'height="12"/>'
        f'<line class="bound" x1="{bound}" x2="{bound}" y1="2" y2="26"/>{circles}</svg>'
        f"<div>{words} (the line across); the bar is the 95 % interval</div>"
    )
