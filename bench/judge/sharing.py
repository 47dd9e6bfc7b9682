# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find what sharing a storm does to the numbers of a duet: carry-over, and contradiction.

Carry-over: how long the other arm, which had the previous window, affects this one. While it does,
the ratio of the arms is not what it is later in the window. So within each storm the
ratio at an age is compared with that of the window's second half. The arms' own levels, which move
with age for both alike, cancel out, and an A/A duet shows what chance alone gives.

In a duet both arms share a consumer and its wake-ups. Where that changes what is measured, blocks
of the same storm, in which each arm had the machine to itself, contradict it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import exp, log
from typing import Final

from bench.judge import duets
from bench.judge.comparison import Comparison
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, Estimate, Scale
from bench.plan.config import AGES, Duet
from bench.trial.result import TrialResult

_LATER: Final = range(AGES // 2, AGES)
_EARLY_SHARE: Final = 4
"""Carry-over would be seen in the first 1/n of the ages that are kept."""
SUFFIX: Final = "-duet"
"""Ends a duet's name; the rest names the experiment that runs the same storm in blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryOver:
    """Hold how far the ratio of one number at each age is from that later in the window."""

    key: str
    by_age: tuple[Estimate | None, ...]  # over the ratio in the window's second half; None: no pair
    beyond: Estimate  # of the first quarter after the washout over the rest

    @property
    def bound(self) -> float:
        """Return the upper bound of carry-over beyond the washout, as a share."""
        return max(self.beyond.high, 1 / self.beyond.low if self.beyond.low else 0.0) - 1

    @property
    def seen(self) -> bool:
        """Return whether carry-over is seen beyond the washout."""
        return not self.beyond.low <= 1 <= self.beyond.high


def kept(rule: Duet) -> range:
    """Return the ages that lie entirely beyond the washout."""
    return range(-(-rule.washout_ns * AGES // rule.window_ns), AGES)


def carry_over(
    left: ArmSamples, right: ArmSamples, lossless: tuple[ArmSamples, ArmSamples]
) -> Iterator[CarryOver]:
    """Yield the carry-over of median latency and of write time, where ages were recorded."""
    yield from _of("latency_p50_ns", _latency_ns, *lossless)
    yield from _of("write_ns", _write_ns, left, right)


Level = Callable[[TrialResult, Sequence[int]], float | None]


def _of(key: str, level: Level, left: ArmSamples, right: ArmSamples) -> Iterator[CarryOver]:
    rules = {trial.config.duet for arm in (left, right) for trial in arm.trials}
    rule = rules.pop() if len(rules) == 1 else None
    if rule is None or not rule.window_ns or not 0 <= rule.washout_ns < rule.window_ns:
        return
    both = sorted(left.by_place.keys() & right.by_place.keys())
    storms = [(left.by_place[place], right.by_place[place]) for place in both]
    ages = kept(rule)
    first = ages[: max(1, len(ages) // _EARLY_SHARE)]
    beyond = _estimate(level, storms, first, ages[len(first) :])
    if beyond is not None:
        by_age = tuple(_estimate(level, storms, [age], _LATER) for age in range(AGES))
        yield CarryOver(key=key, by_age=by_age, beyond=beyond)


def _estimate(
    level: Level,
    storms: Iterable[tuple[TrialResult, TrialResult]],
    early: Sequence[int],
    late: Sequence[int],
) -> Estimate | None:
    """Return the ratio of the arms at ages ``early`` over that at ages ``late``, storm by storm."""
    ratios = []
    for storm in storms:
        found = [level(trial, ages) for ages in (early, late) for trial in storm]
        if (known := [each for each in found if each]) and len(known) == len(found):
            ratios.append((known[0] / known[1], known[2] / known[3]))
    return duets.paired_ratio(*zip(*ratios, strict=True)) if ratios else None


def _latency_ns(trial: TrialResult, ages: Sequence[int]) -> float | None:
    """Return the geometric mean of the medians of these ages, weighted by their records."""
    found = trial.half.latency_by_age if trial.half else ()
    counted = [found[age] for age in ages if age < len(found) and min(found[age]) > 0]
    total = sum(count for count, _ in counted)
    return exp(sum(count * log(ns) for count, ns in counted) / total) if total else None


def _write_ns(trial: TrialResult, ages: Sequence[int]) -> float | None:
    """Return the mean of the writes at these ages, less the clock; None if it is not above 0."""
    found = trial.write.by_age if trial.write else ()
    counted = [found[age] for age in ages if age < len(found)]
    total = sum(count for count, _ in counted)
    if trial.write is None or total <= 0:
        return None
    net_ns = sum(ns for _, ns in counted) / total - trial.write.clock_ns
    return net_ns if net_ns > 0 else None


Interval = tuple[float, float, float]
"""Low, point and high of a ratio."""


def apart(one: Interval, other: Interval) -> float | None:
    """Return how far apart two ratios are, as a share; None if their intervals overlap."""
    if one[0] <= other[2] and other[0] <= one[2]:
        return None
    return max(one[1], other[1]) / min(one[1], other[1]) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Name one number whose two intervals do not overlap."""

    label: str
    duet: Comparison
    blocks: Comparison
    in_duet: Estimate
    in_blocks: Estimate
    apart: float  # how far apart the two ratios are, as a share


def contradictions(comparisons: Sequence[Comparison]) -> Iterator[Contradiction]:
    """Yield every number of a duet whose interval excludes that of the same storm in blocks."""
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
