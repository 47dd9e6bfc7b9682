# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A curve: one number of every kernel, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from bench.judge.metrics import Group, Unit
from bench.judge.statistics import Estimate
from bench.tracer.transports import traits


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One kernel's number."""

    row: int  # of the kernel
    series: str  # a transport, or what is held against what
    value: float
    low: float
    high: float
    blocks: int
    note: str = ""  # what it is made of, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One number over all kernels."""

    key: str
    what: str  # in words
    experiment: str
    budget: str  # label, "64KiB"; "" where it is what was looked for
    group: Group
    unit: Unit
    points: tuple[Point, ...]
    time: bool = False  # a ratio of times

    @property
    def ratio(self) -> bool:
        """Whether 1 means no difference."""
        return self.unit is Unit.TIMES

    @property
    def series(self) -> tuple[str, ...]:
        """Return each series once, the ring first; a kernel may lack one that the next has."""
        found = dict.fromkeys(point.series for point in self.points)
        return tuple(sorted(found, key=lambda series: traits(series).rank))

    def at(self, row: int, series: str) -> Point | None:
        """Return the point of one kernel."""
        return next((p for p in self.points if (p.row, p.series) == (row, series)), None)


def point_of(row: int, series: str, found: Estimate, note: str = "") -> Point:
    """Return a kernel's estimate as a point."""
    return Point(
        row=row,
        series=series,
        value=found.point,
        low=found.low,
        high=found.high,
        blocks=found.blocks,
        note=note,
    )
