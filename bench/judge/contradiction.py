# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find numbers of a duet that storms of each arm alone contradict.

In a duet both arms share a consumer and its wake-ups. Where that changes what is measured, blocks
of the same storm, in which each arm had the machine to itself, say something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from bench.judge.comparison import Comparison
from bench.judge.statistics import FEWEST_BLOCKS, Estimate, Scale

SUFFIX: Final = "-duet"
"""Ends a duet's name; the rest names the experiment that runs the same storm in blocks."""


Interval = tuple[float, float, float]
"""Low, point and high of a ratio."""


def apart(one: Interval, other: Interval) -> float | None:
    """Return how far two ratios lie from each other, as a share; None where intervals meet."""
    if one[0] <= other[2] and other[0] <= one[2]:
        return None
    return max(one[1], other[1]) / min(one[1], other[1]) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One number whose two intervals have nothing in common."""

    label: str
    duet: Comparison
    blocks: Comparison
    in_duet: Estimate
    in_blocks: Estimate
    apart: float  # how far the two ratios lie from each other, as a share


def contradictions(comparisons: Sequence[Comparison]) -> Iterator[Contradiction]:
    """Yield every number of a duet beyond whose interval the same storm in blocks lies."""
    for duet, blocks in product(comparisons, repeat=2):
        if not _alike(duet, blocks):
            continue
        for row in duet.rows:
            other = blocks.row(row.key)
            one, two = row.estimate, None if other is None else other.estimate
            if one is None or two is None or not one.scale is two.scale is Scale.RATIO:
                continue
            far = apart((one.low, one.point, one.high), (two.low, two.point, two.high))
            if far is not None and min(one.blocks, two.blocks) >= FEWEST_BLOCKS:
                yield Contradiction(
                    label=row.label, duet=duet, blocks=blocks, in_duet=one, in_blocks=two, apart=far
                )


def _alike(duet: Comparison, blocks: Comparison) -> bool:
    """Return whether both ran one kind of storm on the same two arms."""
    return (
        duet.duet
        and not blocks.duet
        and duet.experiment == blocks.experiment + SUFFIX
        and (duet.left.arm, duet.right.arm) == (blocks.left.arm, blocks.right.arm)
    )
