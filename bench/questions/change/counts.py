# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What changed between two sets of journals in counts: losses, violations, lossless budgets.

Unlike a time, a count of one set may be held against one of the other: nothing that a machine does
while it is slow turns 0 losses into some without losses having become possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from bench.judge.floor import floor_for
from bench.judge.ladder import Ladder
from bench.judge.metrics import METRICS
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, Scale, holm, moved_p
from bench.plan.experiments import ArmName
from bench.questions.change.journal_set import ArmKey, JournalSet, same_question

_LEVEL: Final = 0.05
_KEYS: Final = ("own_dropped_share", "causal_violation_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChange:
    """The mean share of one arm's trials, before and after."""

    experiment: str
    arm: str
    key: str
    label: str
    before: float
    after: float
    p: float  # corrected by Holm over all counts compared

    @property
    def worse(self) -> bool:
        """Whether it grew."""
        return self.after > self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """The least budget at which one transport lost nothing; None: above the ladder."""

    experiment: str
    transport: str
    before_bytes: int | None
    after_bytes: int | None
    p: float  # of as different losses at the lesser of both, by chance; corrected by Holm

    @property
    def worse(self) -> bool:
        """Whether more is needed now."""
        return _above(self.after_bytes) > _above(self.before_bytes)

    @property
    def sure(self) -> bool:
        """Whether it is beyond chance: losses are random near the edge."""
        return self.p < _LEVEL


def _above(budget_bytes: int | None) -> float:
    return float("inf") if budget_bytes is None else budget_bytes


def count_changes(before: JournalSet, after: JournalSet) -> tuple[tuple[CountChange, ...], int]:
    """Return the counts that changed beyond chance and the A/A floor, of how many.

    Shares of each trial are compared by Yuen's test (a t test of trimmed means), for each arm that
    both sets ran alike in at least 8 blocks.
    """
    ours, theirs = dict(before.arms()), dict(after.arms())
    found = [
        change
        for key in ours
        if key in theirs and same_question(before, ours[key], after, theirs[key])
        for change in _counts(key, ours[key], theirs[key])
    ]
    adjusted = holm([change.p for change in found])
    changed = tuple(
        change
        for change, p in zip(found, adjusted, strict=True)
        if p < _LEVEL and abs(change.after - change.before) > _floor(change, before, after)
    )
    return changed, len(found)


def _counts(key: ArmKey, ours: ArmSamples, theirs: ArmSamples) -> Iterator[CountChange]:
    for metric in METRICS:
        if metric.key not in _KEYS:
            continue
        then, now = (list(arm.values(metric).values()) for arm in (ours, theirs))
        if min(len(then), len(now)) >= FEWEST_BLOCKS:
            yield CountChange(
                experiment=key[0],
                arm=key[1],
                key=metric.key,
                label=metric.label,
                before=fmean(then),
                after=fmean(now),
                p=moved_p(then, now, fmean(now) - fmean(then)),
            )


def _floor(change: CountChange, before: JournalSet, after: JournalSet) -> float:
    floors = (
        floor_for(
            each.summary.floors,
            metric=change.key,
            scale=Scale.DIFFERENCE,
            experiment=change.experiment,
        )
        for each in (before, after)
    )
    return max((floor.size for floor in floors if floor is not None), default=0.0)


def budget_changes(before: JournalSet, after: JournalSet) -> tuple[BudgetChange, ...]:
    """Return every minimum lossless budget that differs, by chance or beyond it."""
    ours, theirs = (
        {(each.experiment, each.transport): each for each in one.summary.ladders}
        for one in (before, after)
    )
    moved = [
        (ours[key], theirs[key])
        for key in ours
        if key in theirs
        and ours[key].minimum_bytes != theirs[key].minimum_bytes
        and _same_ladder(before, after, key)
    ]
    adjusted = holm([_chance(then, now) for then, now in moved])
    return tuple(
        BudgetChange(
            experiment=then.experiment,
            transport=then.transport,
            before_bytes=then.minimum_bytes,
            after_bytes=now.minimum_bytes,
            p=p,
        )
        for (then, now), p in zip(moved, adjusted, strict=True)
    )


def _same_ladder(before: JournalSet, after: JournalSet, key: tuple[str, str]) -> bool:
    """Return whether both sets tried their budgets with equal storms."""
    ours, theirs = (
        {
            name: arm
            for (experiment, name), arm in one.arms()
            if (experiment, ArmName.parse(name).transport) == key
        }
        for one in (before, after)
    )
    common = ours.keys() & theirs.keys()
    return bool(common) and all(
        same_question(before, ours[name], after, theirs[name]) for name in common
    )


def _chance(then: Ladder, now: Ladder) -> float:
    """Return p of losses as different at the lesser minimum (Fisher's exact test)."""
    from scipy.stats import fisher_exact

    least = min(_above(then.minimum_bytes), _above(now.minimum_bytes))
    rungs = [
        next((rung for rung in ladder.rungs if rung.budget_bytes == least), None)
        for ladder in (then, now)
    ]
    table = [[rung.lossy, rung.trials - rung.lossy] for rung in rungs if rung is not None]
    return float(fisher_exact(table).pvalue) if len(table) == 2 else 1.0
