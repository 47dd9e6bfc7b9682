# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare a transport with the perf buffers: one experiment, one budget, every number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from statistics import fmean, median
from typing import Final

import numpy as np

from bench.judge.floor import LEAST_MARGIN, Floor, floor_for, margin
from bench.judge.load import load_of
from bench.judge.metrics import KEYS, METRICS, Group, Metric, Unit
from bench.judge.samples import (
    ArmSamples,
    ExperimentSamples,
    estimate,
    paired,
    tail_of,
    uneven,
    without,
)
from bench.judge.statistics import FEWEST_BLOCKS, Estimate, Scale
from bench.measure.columns import Floats
from bench.measure.latency import NAMES, Percentiles, named
from bench.plan import budgets
from bench.plan.config import Poll
from bench.plan.experiments import ArmName, Pair, comparisons
from bench.trial.result import TrialResult

BUSY_SHARE: Final = 0.9
"""Share of the storm that a consumer has to be on its CPU to count as busy throughout."""

_SUMS: Final = (
    *("own_attempted", "own_delivered", "own_dropped"),
    *("causal_pairs", "causal_violations", "missed"),
)


class Outcome(StrEnum):
    """Classify what an interval says of left against right."""

    LESS = "less"
    MORE = "more"
    EQUAL = "same in every block"  # on both sides; more blocks might differ
    EQUIVALENT = "equivalent"  # the whole interval of a ratio lies within 2 % of 1
    UNDECIDED = "undecided"  # neither: Compared.resolvable could have been seen
    TOO_FEW = "too few blocks"
    UNKNOWN = "not measured"


class Bottleneck(StrEnum):
    """Name what there was too little of."""

    NONE = "none"  # nothing was lost
    BUFFER = "buffer"  # the consumer was mostly idle but woke too late: more space helps
    CONSUMER = "consumer"  # it was never idle: more space would only delay the loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Metric):
    """Compare one number of both sides.

    Where blocks are paired, ``right`` is its centre over these blocks, the median or of shares the
    mean, and ``left`` is that times the ratio, or plus the difference, of ``estimate``: a median of
    paired ratios may lie on the other side of 1 than the ratio of two medians.
    """

    left: float | None
    right: float | None
    estimate: Estimate | None
    floor: Floor | None  # None: no A/A comparison of this number
    margin: float  # that the difference must exceed; 0.02 for a ratio, points for a share
    outcome: Outcome

    @property
    def better(self) -> int:
        """Return -1 if left is better, 1 if right is, 0 if neither is or it is unknown."""
        if self.outcome not in (Outcome.LESS, Outcome.MORE):
            return 0
        return 1 if (self.outcome is Outcome.MORE) != self.more_is_better else -1

    @property
    def resolvable(self) -> float | None:
        """Return the smallest difference that could have been seen: margin and half an interval.

        For a ratio, a share, or inf if it has no bound; for a difference, in its unit.
        """
        found = self.estimate
        if found is None:
            return None
        if found.scale is Scale.RATIO:
            return (1 + self.margin) * (1 + found.half_width) - 1
        return self.margin + found.half_width

    @property
    def saving(self) -> float:
        """Return what the better side saves: a ratio's as a share of the other, or in its unit."""
        if self.estimate is None:
            return 0.0
        found = self.estimate.point
        if self.estimate.scale is not Scale.RATIO:
            return abs(found) if self.unit is Unit.SHARE else 0.0
        return 1 - min(found, 1 / found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Sum over the trials of one arm that count, in the storm's own records."""

    arm: ArmName
    transport: str
    budget_bytes: int  # actual data bytes
    trials: int
    lossy: int  # trials that dropped something
    own_attempted: int
    own_delivered: int
    own_dropped: int
    causal_pairs: int
    fewest_pairs: int  # causal pairs of the trial that had the fewest
    causal_violations: int
    missed: int
    lost_told: dict[str, int]  # the kernel's own counts
    latency: Percentiles | None  # of all its trials, merged
    latency_error: Percentiles | None  # the most by which that of any trial is too long
    bottleneck: Bottleneck = Bottleneck.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Compare two arms of one experiment at one budget."""

    experiment: str
    budget: str  # label, "64KiB"
    left: Side
    right: Side
    rows: tuple[Compared, ...]  # in the order of METRICS, without those that neither side has
    poll: Poll | None = None  # how both sides waited; None: differently
    duet: bool = False  # within the same storms, whose other numbers belong to neither side

    def row(self, key: str) -> Compared | None:
        """Return the row of a number; raise KeyError for an unknown one."""
        if key not in KEYS:
            raise KeyError(key)
        return next((row for row in self.rows if row.key == key), None)


def outcome_of(found: Estimate | None, margin: float, equivalence: float = LEAST_MARGIN) -> Outcome:
    """Return what an estimate says, given the margin that it must exceed.

    A ratio whose interval lies within ``equivalence`` is equivalent, however sure its direction.
    """
    if found is None:
        return Outcome.UNKNOWN
    if found.blocks < FEWEST_BLOCKS:
        return Outcome.TOO_FEW
    ratio = found.scale is Scale.RATIO
    equal = 1.0 if ratio else 0.0
    if found.low == found.high == equal:
        return Outcome.EQUAL
    if ratio and 1 / (1 + equivalence) <= found.low and found.high <= 1 + equivalence:
        return Outcome.EQUIVALENT
    if found.high < (1 / (1 + margin) if ratio else -margin):
        return Outcome.LESS
    if found.low > (1 + margin if ratio else margin):
        return Outcome.MORE
    return Outcome.UNDECIDED


def _centre(metric: Metric, values: Collection[float]) -> float:
    return fmean(values) if metric.unit is Unit.SHARE else median(values)


def _sides(
    metric: Metric, left: ArmSamples, right: ArmSamples, found: Estimate | None
) -> tuple[float | None, float | None]:
    """Return the centre of either side such that both agree with the estimate."""
    if found is None:  # not one block has both
        values = [arm.values(metric).values() for arm in (left, right)]
        of_left, of_right = (_centre(metric, each) if each else None for each in values)
        return of_left, of_right
    tail = tail_of(metric, left, right)
    pairs = paired(metric, left, right)
    reference = tail.second_ns if tail else _centre(metric, pairs[1])
    if metric.unit is Unit.SHARE:  # a mean of differences is one of means; 0 stays 0
        return fmean(pairs[0]), reference
    ratio = found.scale is Scale.RATIO
    return reference * found.point if ratio else reference + found.point, reference


def row_of(
    metric: Metric,
    left: ArmSamples,
    right: ArmSamples,
    *,
    floors: Sequence[Floor] = (),
    experiment: str = "",
    equivalence: float = LEAST_MARGIN,
) -> Compared:
    """Compare one number of two arms."""
    found = estimate(metric, left, right)
    floor = None
    needed = metric.duet_margin  # within one storm noise falls on both sides alike
    if found is not None and not left.duet:
        floor = floor_for(floors, metric=metric.key, scale=found.scale, experiment=experiment)
        needed = margin(found.scale, floor)
    inexact = _apparent(metric, left, right)
    if found is not None and found.scale is Scale.RATIO:
        needed = max(needed, inexact)
    # Variation between runs of one duet limits a claim of equality like one of a difference.
    vague = needed if left.duet else inexact
    of_left, of_right = _sides(metric, left, right, found)
    return Compared(
        **asdict(metric),
        left=of_left,
        right=of_right,
        estimate=found,
        floor=floor,
        margin=needed,
        outcome=outcome_of(found, needed, max(equivalence - vague, 0.0)),
    )


def _apparent(metric: Metric, *arms: ArmSamples) -> float:
    """Return the share by which latencies of equal arms may differ, since records share stamps."""
    return max(map(partial(too_long, metric.key), arms)) if metric.group is Group.LATENCY else 0.0


def too_long(key: str, arm: ArmSamples) -> float:
    """Return the median over trials of how much too long a percentile is, as a share."""
    found_ns = arm.number(key)
    known = ~np.isnan(found_ns)
    if not known.any():
        return 0.0
    error_ns = np.nan_to_num(arm.number(key.replace("latency_", "latency_error_", 1)))[known]
    return float(np.median(error_ns / np.maximum(found_ns[known] - error_ns, 1)))


def _largest_error(arm: ArmSamples) -> Percentiles | None:
    """Return the most by which latencies of any trial are too long; None: not recorded."""
    errors_ns = [arm.number(f"latency_error_{name}") for name in NAMES]
    if np.isnan(errors_ns[-1]).all():
        return None
    most_ns = [int(np.nanmax(found)) for found in errors_ns]
    return Percentiles(**named(arm.total("latency_error_count"), most_ns))


def bottleneck(trial: TrialResult) -> Bottleneck:
    """Return why one trial lost its own records."""
    if trial.ledger is None or trial.occupancy is None or not trial.ledger.own_dropped:
        return Bottleneck.NONE
    busy = trial.occupancy.consumer_busy_share
    return Bottleneck.CONSUMER if busy >= BUSY_SHARE else Bottleneck.BUFFER


def usual(dropped: Floats, busy: Floats) -> Bottleneck:
    """Return the bottleneck of most of the trials that lost something; NONE without any.

    For each trial: own records that were dropped, and the share of time its consumer was busy.
    """
    busy = busy[(dropped > 0) & ~np.isnan(busy)]
    if not len(busy):
        return Bottleneck.NONE
    found = Counter((busy >= BUSY_SHARE).tolist())
    return Bottleneck.CONSUMER if found.most_common(1)[0][0] else Bottleneck.BUFFER


def _side(arm: ArmSamples) -> Side:
    lost: Counter[str] = Counter()
    for each in filter(None, arm.columns.lost_told()):
        lost.update(each)
    dropped, pairs = arm.number("own_dropped"), arm.number("causal_pairs")
    known_pairs = pairs[~np.isnan(pairs)]
    return Side(
        arm=arm.name,
        transport=arm.name.transport,
        budget_bytes=arm.config.budget_bytes,
        trials=len(arm),
        lossy=int((dropped > 0).sum()),
        **{name: arm.total(name) for name in _SUMS},
        fewest_pairs=int(known_pairs.min()) if len(known_pairs) else 0,
        lost_told=dict(lost),
        latency=arm.latency(),
        latency_error=_largest_error(arm),
        bottleneck=usual(dropped, arm.number("consumer_busy_share")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unequal:
    """Name two arms that were not compared in some blocks, since their loads differed."""

    experiment: str
    left: str  # arms
    right: str
    blocks: int
    loads: tuple[str, str]  # of the first such block, in words


def unequal_loads(samples: ExperimentSamples) -> Iterator[Unequal]:
    """Yield every pair of an experiment with unequal loads in some block."""
    for pair in comparisons(samples.names):
        left, right = samples.arms[pair.left], samples.arms[pair.right]
        if places := uneven(left, right):
            first = places[0]
            yield Unequal(
                experiment=samples.name,
                left=pair.left,
                right=pair.right,
                blocks=len(places),
                loads=(str(load_of(left.by_place[first])), str(load_of(right.by_place[first]))),
            )


def _compare(samples: ExperimentSamples, pair: Pair, floors: Sequence[Floor]) -> Comparison | None:
    left, right = samples.arms[pair.left], samples.arms[pair.right]
    if apart := uneven(left, right):
        left, right = without(left, apart), without(right, apart)
    if not (len(left) and len(right)):
        return None
    duet = left.duet and right.duet
    rows = (
        row_of(metric, left, right, floors=floors, experiment=samples.name)
        for metric in METRICS
        if not duet or metric.in_duets
    )
    polls = {config.consumer.poll for arm in (left, right) for config in arm.configs}
    return Comparison(
        experiment=samples.name,
        budget=pair.left.budget,
        left=_side(left),
        right=_side(right),
        rows=tuple(row for row in rows if row.left is not None or row.right is not None),
        poll=polls.pop() if len(polls) == 1 else None,
        duet=duet,
    )


def compare_arms(samples: ExperimentSamples, floors: Sequence[Floor]) -> tuple[Comparison, ...]:
    """Compare every pair of an experiment that has trials on both sides, by budget.

    Blocks in which the loads of the sides differ are left out, as are arms that are delayed so
    that records tear.
    """
    names = (arm.name for arm in samples.arms.values() if not arm.held_up)
    found = (_compare(samples, pair, floors) for pair in comparisons(names))
    known = [comparison for comparison in found if comparison is not None]
    return tuple(sorted(known, key=lambda each: budgets.parse_or_zero(each.budget)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumers:
    """Name an arm that several consumers drain, and the same arm under one."""

    consumers: int  # of the left side
    comparison: Comparison


def compare_consumers(samples: ExperimentSamples, floors: Sequence[Floor]) -> Iterator[Consumers]:
    """Compare every arm that several consumers drain with the same arm under one."""
    arms = [arm for arm in samples.arms.values() if arm.name.copy == 1 and len(arm)]
    alone = {arm.config: arm.name for arm in arms if arm.config.consumer.threads == 1}
    for arm in arms:
        one = replace(arm.config, consumer=replace(arm.config.consumer, threads=1))
        if one != arm.config and one in alone:
            found = _compare(samples, Pair(left=arm.name, right=alone[one]), floors)
            if found is not None:
                yield Consumers(consumers=arm.config.consumer.threads, comparison=found)
