# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Amounts in words: counts with their noun, bytes, and how long something takes."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """Write a count of things: "1 trial", "1,200 trials", of ``many`` "2 processes"."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def size(size_bytes: float) -> str:
    """Write bytes: "64 KiB", "76.1 KiB"."""
    for least, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if abs(size_bytes) >= least:
            value = size_bytes / least
            return f"{value:.{0 if value == int(value) else 1}f} {unit}"
    return f"{size_bytes:.0f} B"


def duration(seconds: float) -> str:
    """Write how long something takes: "35 s", "12 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{max(1, seconds):.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return " ".join([f"{hours} h"] * (hours > 0) + [f"{minutes} min"] * (minutes > 0))
