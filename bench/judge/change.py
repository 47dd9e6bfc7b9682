# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What changed between two sets of journals, beyond noise.

No number of one set is held against one of the other by itself: machines drift, and two may differ.
What is compared is what each set holds within itself: how a transport does against the perf
buffers, as ratio or difference, paired within blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import log
from typing import Final

from bench.judge.comparison import Comparison, Row
from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import Unit
from bench.judge.statistics import FEWEST_BLOCKS, Scale, holm
from bench.judge.summary import Summary

_LEVEL: Final = 0.05
_Z_95: Final = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One number of one comparison, before and after, as left against right."""

    experiment: str
    budget: str
    transport: str  # left
    against: str  # right
    key: str
    label: str
    unit: Unit
    scale: Scale
    before: float
    after: float
    margin: float  # of a ratio as 0.02, of a share as such
    p: float  # corrected by Holm over all numbers compared
    worse: bool  # for left


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that two sets have in common, and what differs."""

    changes: tuple[Change, ...]
    compared: int  # numbers that both sets tell with enough blocks
    too_few: int  # numbers that one of them has in fewer than 8 blocks
    only_before: tuple[str, ...]  # comparisons by name
    only_after: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Changes for the worse."""
        return tuple(change for change in self.changes if change.worse)


def _name(comparison: Comparison) -> tuple[str, str, str, str]:
    left, right = comparison.left.transport, comparison.right.transport
    return comparison.experiment, comparison.budget, left, right


def _gather(summaries: Sequence[Summary]) -> dict[tuple[str, str, str, str], Comparison]:
    found: dict[tuple[str, str, str, str], Comparison] = {}
    for summary in summaries:
        for comparison in summary.comparisons:
            found.setdefault(_name(comparison), comparison)
    return found


def changes(before: Sequence[Summary], after: Sequence[Summary]) -> Changes:
    """What differs between ``before`` and ``after``; of several machines in a set the first counts.

    A number changed if the difference of its estimates is beyond both sets' margins and beyond
    chance: p, from the normal approximation of both intervals, is below 5 % after Holm's
    correction.
    """
    ours, theirs = _gather(before), _gather(after)
    pairs = [
        (ours[name], row, other)
        for name in ours.keys() & theirs.keys()
        for row, other in product(ours[name].rows, theirs[name].rows)
        if row.key == other.key
    ]
    pairs.sort(key=lambda each: (each[0].experiment, each[0].budget))
    usable = [each for each in pairs if _blocks(each[1]) and _blocks(each[2])]
    enough = [each for each in usable if min(_blocks(each[1]), _blocks(each[2])) >= FEWEST_BLOCKS]
    alike = [each for each in enough if _scale(each[1]) is _scale(each[2])]
    adjusted = holm([_p(row, other) for _, row, other in alike])
    found = [
        _change(comparison, row, other, p)
        for (comparison, row, other), p in zip(alike, adjusted, strict=True)
        if p < _LEVEL and abs(_value(other) - _value(row)) > _margin(row, other)
    ]
    return Changes(
        changes=tuple(found),
        compared=len(alike),
        too_few=len(usable) - len(enough),
        only_before=tuple(_words(sorted(ours.keys() - theirs.keys()))),
        only_after=tuple(_words(sorted(theirs.keys() - ours.keys()))),
    )


def _words(names: Sequence[tuple[str, str, str, str]]) -> Iterator[str]:
    for experiment, budget, left, right in names:
        yield f"{experiment} at {budget}, {left} against {right}"


def _blocks(row: Row) -> int:
    return row.estimate.blocks if row.estimate is not None else 0


def _scale(row: Row) -> Scale | None:
    return row.estimate.scale if row.estimate is not None else None


def _value(row: Row) -> float:
    """The estimate on the scale on which differences add up."""
    if row.estimate is None:
        return 0.0
    point = row.estimate.point
    return log(point) if row.estimate.scale is Scale.RATIO else point


def _error(row: Row) -> float:
    """The standard error that the 95 % interval stands for."""
    found = row.estimate
    if found is None:
        return 0.0
    low, high = (found.low, found.high)
    if found.scale is Scale.RATIO:
        low, high = log(low), log(high)
    return (high - low) / (2 * _Z_95)


def _p(row: Row, other: Row) -> float:
    """Two-sided p of both estimates being the same."""
    from statistics import NormalDist

    difference = abs(_value(other) - _value(row))
    error = (_error(row) ** 2 + _error(other) ** 2) ** 0.5
    if error == 0:
        return 0.0 if difference else 1.0
    return 2 * (1 - NormalDist().cdf(difference / error))


def _margin(row: Row, other: Row) -> float:
    """The larger margin of both sets, on the scale of ``_value``."""
    margin = max(row.margin, other.margin)
    return log(1 + max(margin, LEAST_MARGIN)) if _scale(row) is Scale.RATIO else margin


def _change(comparison: Comparison, row: Row, other: Row, p: float) -> Change:
    grew = _value(other) > _value(row)
    return Change(
        experiment=comparison.experiment,
        budget=comparison.budget,
        transport=comparison.left.transport,
        against=comparison.right.transport,
        key=row.key,
        label=row.label.strip(),
        unit=row.unit,
        scale=row.estimate.scale if row.estimate is not None else Scale.DIFFERENCE,
        before=row.estimate.point if row.estimate is not None else 0.0,
        after=other.estimate.point if other.estimate is not None else 0.0,
        margin=max(row.margin, other.margin),
        p=p,
        worse=grew != row.more_is_better,
    )
