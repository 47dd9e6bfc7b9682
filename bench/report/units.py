# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write numbers with their unit, estimates and budgets for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Final

from bench.amounts import digits, points, rate, seconds, share, size, time
from bench.errors import clean
from bench.judge.metrics import Unit
from bench.judge.statistics import Estimate, Scale
from bench.report.document import NONE

_BEFORE_UNIT: Final = re.compile(r"(?<=\d) (?=(?:%|[KMG]iB|[nµm]?s|points?|pt)(?!\w))")


def _count(value: float) -> str:
    """Write a count, which may be a mean: "1,234", "1.5"."""
    return digits(value) if 0 < abs(value) < 1 else f"{value:,.{0 if value == int(value) else 1}f}"


_WRITERS: Final[dict[Unit, Callable[[float], str]]] = {
    Unit.SHARE: share,
    Unit.NS: time,
    Unit.SECONDS: seconds,
    Unit.BYTES: size,
    Unit.PER_S: rate,
    Unit.COUNT: _count,
    Unit.TIMES: digits,
    Unit.INSTRUCTIONS: lambda count: f"{count:,.0f}",
}


def glued(text: str, glue: str) -> str:
    """Return ``text`` with ``glue`` between numbers and their units, where no line is broken."""
    return _BEFORE_UNIT.sub(glue, text)


def number(value: float | None, unit: Unit) -> str:
    """Write ``value`` with its unit; "-" for None."""
    return NONE if value is None or not isfinite(value) else _WRITERS[unit](value)


def signed(value: float, unit: Unit) -> str:
    """Write a difference with its sign; one of shares in points."""
    if unit is Unit.SHARE:
        return points(value)
    text = number(value, unit)
    return re.sub("^<?", r"\g<0>+", text) if value > 0 else text


def point(estimate: Estimate | None, unit: Unit) -> str:
    """Write an estimate: a ratio as "x 0.40", a difference with its sign."""
    if estimate is None:
        return NONE
    ratio = estimate.scale is Scale.RATIO
    return f"x {digits(estimate.point)}" if ratio else signed(estimate.point, unit)


def interval(estimate: Estimate | None, unit: Unit) -> str:
    """Write the 95 % interval of an estimate."""
    if estimate is None or estimate.blocks < 2:
        return NONE
    if estimate.scale is Scale.RATIO:
        return f"{digits(estimate.low)} .. {digits(estimate.high)}"
    low, high = (signed(bound, unit) for bound in (estimate.low, estimate.high))
    return f"{low.removesuffix(' pt')} .. {high}" if unit is Unit.SHARE else f"{low} .. {high}"


def resolvable(least: float, scale: Scale, unit: Unit) -> str:
    """Write the smallest difference that could have been seen: "3.1 %", "x 2.4", "0.50 pt"."""
    if scale is Scale.RATIO:
        return share(least) if least < 1 else f"x {digits(1 + least)}" if isfinite(least) else "any"
    return points(least, sign="") if unit is Unit.SHARE else number(least, unit)


def budget(text: str) -> str:
    """Space a budget's label: "64KiB" becomes "64 KiB"."""
    return re.sub(r"(?=[KMG]iB$)", " ", clean(text))


def spaced(text: str) -> str:
    """Space the budgets in ``text``, not those in names of arms: "storm at 64 KiB"."""
    return re.sub(r"(?<= at )(\d+)(?=[KMG]iB\b)", r"\1 ", text)
