# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write amounts for people: counts with their nouns, numbers with their units.

No value but 0 is written as 0; smaller ones than are shown become "<0.01 %" or ">-0.01 pt".
"""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """Write a count of things: "1 trial", "1,200 trials"; with ``many``, "2 processes"."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def digits(value: float) -> str:
    """Write three significant digits, without an exponent: "0.051", "1.37", "1,234"."""
    size = abs(value)
    if 0 < size < 0.0005:
        return f"{'<' if value > 0 else '>-'}0.001"
    places = 3 if size < 0.9995 else 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{value:,.{places}f}" if value else "0"


def brief(value: float) -> str:
    """Write two significant digits, and no more than are needed: "0.0073", "2", "2.5", "100"."""
    return f"{float(f'{value:.2g}'):,.10f}".rstrip("0").rstrip(".")


def given(value: float, unit: str) -> str:
    """Write an amount as it was chosen: "20 ms", "1.25 times"."""
    return f"{value:,.6g} {unit}"


def size(size_bytes: float) -> str:
    """Write bytes: "64 KiB", "76.1 KiB"."""
    size_bytes = round(size_bytes, 3)  # the mean of logarithms is not quite a whole number
    for least, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if abs(size_bytes) >= least:
            value = size_bytes / least
            return f"{value:.{0 if value == int(value) else 1}f} {unit}"
    return f"{size_bytes:.0f} B"


def duration(seconds: float) -> str:
    """Write roughly how long something takes: "35 s", "12 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{max(1, seconds):.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join([f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0))


def time(ns: float) -> str:
    """Write a length of time: "12.3 µs"."""
    for least, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(ns) >= 0.9995 * least:  # what would be written as 1,000 of the smaller unit
            return f"{digits(ns / least)} {unit}"
    return f"{ns:.0f} ns" if ns else "0"


def seconds(length_s: float) -> str:
    """Write a length of time: "12.3 ms"."""
    return time(length_s * 1e9)


def share(value: float) -> str:
    """Write a proportion in per cent: "12.3 %", "0.12 %"."""
    percent = 100 * value
    if percent == 0:
        return "0 %"
    if abs(percent) < 0.01:
        return f"{'<' if percent > 0 else '>-'}0.01 %"
    return f"{percent:.{1 if abs(percent) >= 1 else 2}f} %"


def bound(value: float, unit: str = "%") -> str:
    """Write a chosen proportion, or the bound of one: "2 %", "0.0073 %", "5 points"."""
    return f"{brief(100 * value)} {unit}"


def excess(ratio: float) -> str:
    """Write by how much a ratio exceeds 1: "+6 %"."""
    return f"{100 * (ratio - 1):+,.0f} %"


def points(value: float, *, sign: str = "+") -> str:
    """Write a difference of proportions in points, not per cent: "+13.38 pt"."""
    percent = 100 * value
    if percent == 0:
        return "0 pt"
    if abs(percent) < 0.005:
        return f"{f'<{sign}' if percent > 0 else '>-'}0.01 pt"
    return f"{percent:{sign}.2f} pt"


def fine(ratio: float) -> str:
    """Write a ratio to a thousandth, for differences of some per cent: "1.028"."""
    return f"{ratio:.3f}" if ratio < 9.9995 else digits(ratio)


def times(ratio: float) -> str:
    """Write a ratio: "1.37 times"."""
    return f"{digits(ratio)} times"


def rate(per_s: float) -> str:
    """Write how often something happens: "34,162/s"."""
    return f"{per_s:,.0f}/s"


def millions(per_s: float) -> str:
    """Write a rate as publications give it: "3.87 M/s"."""
    return f"{digits(per_s / 1e6)} M/s"
