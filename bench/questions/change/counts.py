# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Changes between two sets of journals in counts: losses, violations, lossless budgets.

Unlike a time, a count of one set may be compared with one of the other: nothing that a machine does
while it is slow turns 0 losses into some without losses having become possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Final

from bench.judge.floor import floor_for
from bench.judge.ladder import Ladder
from bench.judge.metrics import METRICS
from bench.judge.samples import ArmSamples
from bench.judge.statistics import FEWEST_BLOCKS, Scale, holm, moved_p
from bench.plan.experiments import ArmName
from bench.questions.change.journal_set import ArmKey, JournalSet, same_question
from bench.questions.change.numbers import LEVEL

COUNTS: Final = {
    metric.key: metric
    for metric in METRICS
    if metric.key in ("own_dropped_share", "causal_violation_share")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChange:
    """The mean share of one arm's trials, before and after."""

    experiment: str
    arm: str
    key: str
    before: float
    after: float
    p: float  # before Holm's correction over all counts compared
    worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """The least budget at which one transport lost nothing; None: above the ladder."""

    experiment: str
    transport: str
    before_bytes: int | None
    after_bytes: int | None
    p: float  # of as different losses at the lesser of both, by chance; corrected by Holm
    sure: bool  # beyond chance: losses are random near the edge
    worse: bool  # more is needed now


def count_changes(before: JournalSet, after: JournalSet) -> tuple[tuple[CountChange, ...], int]:
    """Return the counts that changed beyond chance and the A/A floor, of how many.

    Shares of each trial are compared by Yuen's test (a t test of trimmed means), for each arm that
    both sets ran alike in at least 8 blocks.
    """
    then, now = dict(before.arms()), dict(after.arms())
    found = [
        change
        for key in then
        if key in now and same_question(before, then[key], after, now[key])
        for change in _counts(key, then[key], now[key])
    ]
    changed = tuple(
        change
        for change, p in zip(found, holm([change.p for change in found]), strict=True)
        if p < LEVEL and abs(change.after - change.before) > _floor(change, before, after)
    )
    return changed, len(found)


def _counts(key: ArmKey, before: ArmSamples, after: ArmSamples) -> Iterator[CountChange]:
    for metric in COUNTS.values():
        then, now = (list(arm.values(metric).values()) for arm in (before, after))
        if min(len(then), len(now)) >= FEWEST_BLOCKS:
            yield CountChange(
                experiment=key[0],
                arm=key[1],
                key=metric.key,
                before=fmean(then),
                after=fmean(now),
                p=moved_p(then, now, fmean(now) - fmean(then)),
                worse=fmean(now) > fmean(then),
            )


def _floor(change: CountChange, *sets: JournalSet) -> float:
    scale, experiment = Scale.DIFFERENCE, change.experiment
    floors = [
        floor_for(each.summary.floors, metric=change.key, scale=scale, experiment=experiment)
        for each in sets
    ]
    return max((floor.size for floor in floors if floor is not None), default=0.0)


def budget_changes(before: JournalSet, after: JournalSet) -> tuple[BudgetChange, ...]:
    """Return every minimum lossless budget that differs, by chance or beyond it."""
    ladders, others = (
        {(each.experiment, each.transport): each for each in one.summary.ladders}
        for one in (before, after)
    )
    moved = [
        (ladders[key], others[key])
        for key in ladders
        if key in others
        and ladders[key].minimum_bytes != others[key].minimum_bytes
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
            sure=p < LEVEL,
            worse=(now.minimum_bytes or inf) > (then.minimum_bytes or inf),
        )
        for (then, now), p in zip(moved, adjusted, strict=True)
    )


def _same_ladder(before: JournalSet, after: JournalSet, key: ArmKey) -> bool:
    """Return whether both sets tried their budgets with equal storms."""
    then, now = (
        {
            name: arm
            for (experiment, name), arm in one.arms()
            if (experiment, ArmName.parse(name).transport) == key
        }
        for one in (before, after)
    )
    common = then.keys() & now.keys()
    return bool(common) and all(
        same_question(before, then[name], after, now[name]) for name in common
    )


def _chance(*ladders: Ladder) -> float:
    """Return p of losses as different at the lesser minimum (Fisher's exact test)."""
    from scipy.stats import fisher_exact

    least = min(ladder.minimum_bytes or inf for ladder in ladders)
    table = [
        [rung.lossy, rung.trials - rung.lossy]
        for ladder in ladders
        for rung in ladder.rungs
        if rung.budget_bytes == least
    ]
    return float(fisher_exact(table).pvalue) if len(table) == 2 else 1.0
