# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Draw blocks as points on a line. A page has dozens: drawn here, they cost nothing."""

from __future__ import annotations

from html import escape
from math import isfinite, log
from typing import Final

from bench.escape import clean
from bench.report.document import Strip

_WIDTH: Final = 360
_EDGE: Final = 12
_MIDDLE: Final = 14


def strip(drawn: Strip) -> str:
    """Return the SVG; "" where a number is not finite."""
    shown = [drawn.low, drawn.high, drawn.bound, *drawn.blocks]
    if not all(map(isfinite, shown)):
        return ""
    lowest, highest = min(shown), max(shown)
    ratio = drawn.ratio and lowest > 0
    span = (log(highest / lowest) if ratio else highest - lowest) or 1.0

    def at(value: float) -> float:
        share = log(value / lowest) if ratio else value - lowest
        return round(_EDGE + (_WIDTH - 2 * _EDGE) * share / span, 1)

    low, high, bound = at(drawn.low), at(drawn.high), at(drawn.bound)
    circles = "".join(
        f'<circle cx="{at(value)}" cy="{_MIDDLE}" r="3.5"/>' for value in drawn.blocks
    )
    words = escape(clean(drawn.words), quote=True)
    return (
        f'<svg class="dots" viewBox="0 0 {_WIDTH} 28" width="{_WIDTH}" role="img" '
        f'aria-label="{words}">'
        f'<line class="axis" x1="{_EDGE}" x2="{_WIDTH - _EDGE}" y1="{_MIDDLE}" y2="{_MIDDLE}"/>'
        f'<rect class="interval" x="{low}" y="{_MIDDLE - 6}" width="{max(high - low, 1):.1f}" '
        'height="12"/>'
        f'<line class="bound" x1="{bound}" x2="{bound}" y1="2" y2="26"/>{circles}</svg>'
    )
