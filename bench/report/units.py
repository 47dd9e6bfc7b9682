# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Numbers and foreign text as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Final

from bench.amounts import counted as counted  # noqa: PLC0414  reports take these from here
from bench.amounts import size as size  # noqa: PLC0414
from bench.errors import clean as clean  # noqa: PLC0414
from bench.judge.metrics import Unit
from bench.judge.statistics import Estimate, Scale
from bench.report.document import NONE

_BEFORE_UNIT: Final = re.compile(r"(?<=\d) (?=(?:%|[KMG]iB|[nµm]?s|points?|pt)(?!\w))")


def _digits(value: float) -> str:
    """Write three significant digits, without an exponent."""
    size = abs(value)
    places = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 or not size else 3
    return f"{value:,.{places}f}"


def time(ns: float) -> str:
    """Write a length of time: "12.3 µs"."""
    for least, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(ns) >= least:
            return f"{_digits(ns / least)} {unit}"
    return f"{ns:.0f} ns" if ns else "0"


def share(value: float) -> str:
    """Write a proportion in per cent; only 0 is written as 0."""
    percent = 100 * value
    if percent == 0:
        return "0 %"
    if abs(percent) < 0.01:
        return f"{'-' if percent < 0 else ''}<0.01 %"
    return f"{percent:.{1 if abs(percent) >= 1 else 2}f} %"


_WRITERS: Final[dict[Unit, Callable[[float], str]]] = {
    Unit.SHARE: share,
    Unit.NS: time,
    Unit.SECONDS: lambda seconds: time(seconds * 1e9),
    Unit.BYTES: size,
    Unit.PER_S: lambda rate: f"{rate:,.0f}/s",
    Unit.COUNT: lambda count: f"{count:,.{0 if count == int(count) else 1}f}",
    Unit.TIMES: _digits,
    Unit.INSTRUCTIONS: lambda count: f"{count:,.0f}",
}


def glued(text: str, glue: str) -> str:
    """Return ``text`` with ``glue`` between numbers and their units, where no line is broken."""
    return _BEFORE_UNIT.sub(glue, text)


def number(value: float | None, unit: Unit) -> str:
    """Write ``value`` with its unit; "-" for None."""
    return NONE if value is None or not isfinite(value) else _WRITERS[unit](value)


def _signed(value: float, unit: Unit) -> str:
    if unit is Unit.SHARE:  # of shares the difference is in points, not in per cent
        text = f"{100 * value:+.2f}".replace("-0.00", "-<0.01").replace("+0.00", "+<0.01")
        return f"{text} pt" if value else "0 pt"
    return f"{'+' if value > 0 else ''}{number(value, unit)}"


def point(estimate: Estimate | None, unit: Unit) -> str:
    """Write an estimate: a ratio as "x 0.40", a difference with its sign."""
    if estimate is None:
        return NONE
    ratio = estimate.scale is Scale.RATIO
    return f"x {_digits(estimate.point)}" if ratio else _signed(estimate.point, unit)


def interval(estimate: Estimate | None, unit: Unit) -> str:
    """Write the 95 % interval of an estimate."""
    if estimate is None or estimate.blocks < 2:
        return NONE
    if estimate.scale is Scale.RATIO:
        return f"{_digits(estimate.low)} .. {_digits(estimate.high)}"
    low, high = (_signed(bound, unit) for bound in (estimate.low, estimate.high))
    return f"{low.removesuffix(' pt')} .. {high}" if unit is Unit.SHARE else f"{low} .. {high}"


def resolvable(least: float, scale: Scale, unit: Unit) -> str:
    """Write the smallest difference that could have been seen: "3.1 %", "x 2.4", "0.50 pt"."""
    if scale is Scale.RATIO:
        return share(least) if least < 1 else f"x {1 + least:.3g}" if isfinite(least) else "any"
    return f"{100 * least:.2f} pt" if unit is Unit.SHARE else number(least, unit)


def budget(text: str) -> str:
    """Space a budget's label: "64KiB" becomes "64 KiB"."""
    return re.sub(r"(?=[KMG]iB$)", " ", clean(text))
