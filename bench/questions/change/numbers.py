# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare two sets of journals: transports against each other, counts, and lossless budgets.

Times of one set are not compared with times of the other: machines drift, and two may differ. The
ratios of a transport to the perf buffers in each set, paired within blocks, are. Counts are
compared directly: a slow machine does not cause losses where none were possible.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import inf, log
from statistics import fmean
from typing import Final, NamedTuple

from bench.judge.comparison import Comparison
from bench.judge.floor import LEAST_MARGIN, floor_for
from bench.judge.ladder import Ladder
from bench.judge.metrics import METRICS, Metric, Unit
from bench.judge.samples import paired
from bench.judge.statistics import FEWEST_BLOCKS, Scale, holm, moved_p
from bench.plan.budgets import parse_or_zero
from bench.questions.change.journal_set import JournalSet, same_question

COUNTS: Final = {
    metric.key: metric
    for metric in METRICS
    if metric.key in ("own_dropped_share", "causal_violation_share")
}

_LEVEL: Final = 0.05  # of the p of a change, after correction
_DRIFTING: Final = (Unit.NS, Unit.SECONDS, Unit.PER_S)
"""Of these, only ratios stay the same on a machine that became slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Hold one number of one comparison, before and after, as left against right."""

    experiment: str
    budget: str
    variant: str
    transport: str  # left
    against: str  # right
    key: str
    label: str
    unit: Unit
    scale: Scale
    before: float
    after: float
    margin: float  # 0.02 for a ratio, points for a share
    p: float  # corrected by Holm over all numbers compared
    worse: bool  # for left

    @property
    def beyond_margin(self) -> bool:
        """Return whether both differ by more than both sets' margins."""
        if self.scale is Scale.RATIO:
            moved = abs(log(self.after) - log(self.before))  # a quotient may be 0 or inf
            return moved > log(1 + max(self.margin, LEAST_MARGIN))
        return abs(self.after - self.before) > self.margin


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Name comparisons that were not possible."""

    too_few_blocks: int  # numbers with fewer than 8 blocks in one set
    only_before: tuple[str, ...]  # comparisons by name
    only_after: tuple[str, ...]
    unlike: tuple[str, ...]  # that were run differently


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChange:
    """Hold the mean share of one arm's trials, before and after."""

    experiment: str
    arm: str
    key: str
    before: float
    after: float
    p: float  # before Holm's correction over all counts compared
    worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """Hold the least budget at which one transport lost nothing; None: above the ladder."""

    experiment: str
    transport: str
    before_bytes: int | None
    after_bytes: int | None
    p: float  # of losses this different at the lesser of both, by chance; corrected by Holm
    sure: bool  # beyond chance: losses are random near the edge
    worse: bool  # more is needed now


class _Name(NamedTuple):
    """Name a comparison."""

    experiment: str
    budget: str
    variant: str
    transport: str
    against: str

    def __str__(self) -> str:
        variant = f" ({self.variant})" if self.variant else ""
        sides = f"{self.transport} against {self.against}"
        return f"{self.experiment} at {self.budget}{variant}, {sides}"


def changes(before: JournalSet, after: JournalSet) -> tuple[tuple[Change, ...], int, LeftOut]:
    """Return the numbers that changed, how many were compared, and what was left out.

    A number changed if its estimates differ by more than both sets' margins and beyond chance:
    the p of Yuen's test, over the ratios (or differences) of all blocks, is below 5 % after Holm's
    correction.
    """
    then, now = _named(before), _named(after)
    common = sorted(then.keys() & now.keys())
    alike = [name for name in common if _same(then[name], before, now[name], after)]
    found: list[Change] = []
    too_few = 0
    for name, metric in product(alike, METRICS):
        rows = [each.row(metric.key) for each in (then[name], now[name])]
        known = [row.estimate for row in rows if row is not None and row.estimate is not None]
        scale = known[0].scale if len(known) == 2 else None
        if scale is None or scale is not known[1].scale:
            continue
        ratio = scale is Scale.RATIO
        if not ratio and metric.unit in _DRIFTING:
            continue
        blocks_then = _blocks(metric, then[name], before, ratio=ratio)
        blocks_now = _blocks(metric, now[name], after, ratio=ratio)
        if min(len(blocks_then), len(blocks_now)) < FEWEST_BLOCKS:
            too_few += 1
            continue
        was, is_now = (each.point for each in known)
        shown = log(is_now) - log(was) if ratio else is_now - was
        found.append(
            Change(
                **name._asdict(),
                key=metric.key,
                label=metric.label.strip(),
                unit=metric.unit,
                scale=scale,
                before=was,
                after=is_now,
                margin=max(row.margin for row in rows if row is not None),
                p=moved_p(blocks_then, blocks_now, shown),
                worse=(is_now > was) != metric.more_is_better,
            )
        )
    adjusted = zip(found, holm([change.p for change in found]), strict=True)
    return (
        tuple(replace(each, p=p) for each, p in adjusted if p < _LEVEL and each.beyond_margin),
        len(found),
        LeftOut(
            too_few_blocks=too_few,
            only_before=_words(then.keys() - now.keys()),
            only_after=_words(now.keys() - then.keys()),
            unlike=_words(set(common) - set(alike)),
        ),
    )


def _named(one: JournalSet) -> dict[_Name, Comparison]:
    found = {}
    for each in one.summary.comparisons:
        arm, against = each.left.arm, each.right.transport
        found[_Name(each.experiment, each.budget, arm.variant, arm.transport, against)] = each
    return found


def _words(names: Iterable[_Name]) -> tuple[str, ...]:
    def order(name: _Name) -> tuple[object, ...]:
        return name.experiment, parse_or_zero(name.budget), name

    return tuple(map(str, sorted(names, key=order)))


def _same(then: Comparison, before: JournalSet, now: Comparison, after: JournalSet) -> bool:
    arms, others = before.summary.arms(then.experiment), after.summary.arms(now.experiment)
    return all(
        same_question(before, arms[one], after, others[other])
        for one, other in ((then.left.arm, now.left.arm), (then.right.arm, now.right.arm))
    )


def _blocks(metric: Metric, each: Comparison, one: JournalSet, *, ratio: bool) -> list[float]:
    """Return left against right, block by block, on a scale on which differences add up."""
    arms = one.summary.arms(each.experiment)
    pairs = zip(*paired(metric, arms[each.left.arm], arms[each.right.arm]), strict=True)
    return [log(left) - log(right) if ratio else left - right for left, right in pairs]


def count_changes(before: JournalSet, after: JournalSet) -> tuple[tuple[CountChange, ...], int]:
    """Return the counts that changed beyond chance and the A/A floor, and how many were compared.

    Shares of trials are compared by Yuen's test (a t test of trimmed means), for each arm that
    both sets ran the same way in at least 8 blocks.
    """
    found = []
    arms = after.arms()
    for (key, then), metric in product(before.arms().items(), COUNTS.values()):
        now = arms.get(key)
        if now is None or not same_question(before, then, after, now):
            continue
        shares = [list(arm.values(metric).values()) for arm in (then, now)]
        if min(map(len, shares)) >= FEWEST_BLOCKS:
            was, is_now = map(fmean, shares)
            found.append(
                CountChange(
                    experiment=key[0],
                    arm=key[1],
                    key=metric.key,
                    before=was,
                    after=is_now,
                    p=moved_p(shares[0], shares[1], is_now - was),
                    worse=is_now > was,
                )
            )
    adjusted = zip(found, holm([change.p for change in found]), strict=True)
    return tuple(
        each
        for each, p in adjusted
        if p < _LEVEL and abs(each.after - each.before) > _floor(each, before, after)
    ), len(found)


def _floor(change: CountChange, *sets: JournalSet) -> float:
    scale, experiment = Scale.DIFFERENCE, change.experiment
    floors = [
        floor_for(each.summary.floors, metric=change.key, scale=scale, experiment=experiment)
        for each in sets
    ]
    return max((floor.size for floor in floors if floor is not None), default=0.0)


def budget_changes(before: JournalSet, after: JournalSet) -> Iterator[BudgetChange]:
    """Yield every minimum lossless budget that differs, by chance or beyond it."""
    ladders = {(each.experiment, each.transport): each for each in after.summary.ladders}
    moved = [
        (then, now)
        for then in before.summary.ladders
        if (now := ladders.get((then.experiment, then.transport))) is not None
        and not (then.unknown or now.unknown)
        and then.minimum_bytes != now.minimum_bytes
        and _same_ladder(before, after, (then.experiment, then.transport))
    ]
    adjusted = holm([_chance(then, now) for then, now in moved])
    for (then, now), p in zip(moved, adjusted, strict=True):
        yield BudgetChange(
            experiment=then.experiment,
            transport=then.transport,
            before_bytes=then.minimum_bytes,
            after_bytes=now.minimum_bytes,
            p=p,
            sure=p < _LEVEL,
            worse=(now.minimum_bytes or inf) > (then.minimum_bytes or inf),
        )


def _same_ladder(before: JournalSet, after: JournalSet, ladder: tuple[str, str]) -> bool:
    """Return whether both sets tried their budgets with equal storms."""
    others = after.arms()
    same = [
        same_question(before, arm, after, others[key])
        for key, arm in before.arms().items()
        if (key[0], key[1].transport) == ladder and key in others
    ]
    return bool(same) and all(same)


def _chance(*ladders: Ladder) -> float:
    """Return the p of losses this different at the lesser minimum (Fisher's exact test)."""
    from scipy.stats import fisher_exact

    least = min(ladder.minimum_bytes or inf for ladder in ladders)
    table = [
        [rung.lossy, rung.trials - rung.lossy]
        for ladder in ladders
        for rung in ladder.rungs
        if rung.budget_bytes == least
    ]
    return float(fisher_exact(table).pvalue) if len(table) == 2 else 1.0
