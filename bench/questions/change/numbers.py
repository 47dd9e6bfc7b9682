# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What changed between two sets of journals in how transports do against each other.

No number of one set is held against one of the other by itself: machines drift, and two may differ.
What is compared is what each set holds within itself: how a transport does against the perf
buffers, as ratio or difference, paired within blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Final

from bench.judge.comparison import Comparison
from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import METRICS, Metric, Unit
from bench.judge.samples import paired
from bench.judge.statistics import FEWEST_BLOCKS, Estimate, Scale, holm, moved_p
from bench.plan.experiments import ArmName
from bench.questions.change.journal_set import JournalSet, same_question

_LEVEL: Final = 0.05
_DRIFTING: Final = (Unit.NS, Unit.SECONDS, Unit.PER_S)
"""Of these only ratios stay the same on a machine that became slower."""

_Name = tuple[str, str, str, str, str]
"""Experiment, budget, variant, and both transports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One number of one comparison, before and after, as left against right."""

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
    unlike: tuple[str, ...]  # that are another question in each set


def changes(before: JournalSet, after: JournalSet) -> Changes:
    """Return what differs between ``before`` and ``after``.

    A number changed if its estimates differ by more than both sets' margins and beyond chance:
    the p of Yuen's test, over the ratios (or differences) of all blocks, is below 5 % after Holm's
    correction.
    """
    ours, theirs = _named(before), _named(after)
    common = sorted(ours.keys() & theirs.keys())
    alike = [name for name in common if _same(ours[name], before, theirs[name], after)]
    found: list[Change] = []
    too_few = 0
    for name in alike:
        for metric in METRICS:
            then = _told(metric, ours[name], before)
            now = _told(metric, theirs[name], after)
            if then is None or now is None or not _comparable(metric, then, now):
                continue
            if min(len(then.by_block), len(now.by_block)) < FEWEST_BLOCKS:
                too_few += 1
            else:
                found.append(_change(name, metric, then, now))
    adjusted = holm([change.p for change in found])
    return Changes(
        changes=tuple(
            replace(change, p=p)
            for change, p in zip(found, adjusted, strict=True)
            if p < _LEVEL and _beyond_margin(change)
        ),
        compared=len(found),
        too_few=too_few,
        only_before=tuple(_words(sorted(ours.keys() - theirs.keys()))),
        only_after=tuple(_words(sorted(theirs.keys() - ours.keys()))),
        unlike=tuple(_words(name for name in common if name not in alike)),
    )


def _named(one: JournalSet) -> dict[_Name, Comparison]:
    found: dict[_Name, Comparison] = {}
    for each in one.summary.comparisons:
        arm = ArmName.parse(each.left.arm)
        found[each.experiment, each.budget, arm.variant, arm.transport, each.right.transport] = each
    return found


def _words(names: Iterator[_Name] | Sequence[_Name]) -> Iterator[str]:
    for experiment, budget, variant, left, right in names:
        where = f"{budget} ({variant})" if variant else budget
        yield f"{experiment} at {where}, {left} against {right}"


def _same(ours: Comparison, before: JournalSet, theirs: Comparison, after: JournalSet) -> bool:
    return all(
        same_question(
            before,
            before.experiments[ours.experiment].arms[one],
            after,
            after.experiments[theirs.experiment].arms[other],
        )
        for one, other in ((ours.left.arm, theirs.left.arm), (ours.right.arm, theirs.right.arm))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What one set tells of a number."""

    estimate: Estimate
    margin: float
    by_block: tuple[float, ...]  # left against right, on the scale on which differences add up


def _told(metric: Metric, comparison: Comparison, one: JournalSet) -> _Told | None:
    row = comparison.row(metric.key)
    if row is None or row.estimate is None:
        return None
    arms = one.experiments[comparison.experiment].arms
    pairs = zip(*paired(metric, arms[comparison.left.arm], arms[comparison.right.arm]), strict=True)
    ratio = row.estimate.scale is Scale.RATIO
    return _Told(
        estimate=row.estimate,
        margin=row.margin,
        by_block=tuple(log(left) - log(right) if ratio else left - right for left, right in pairs),
    )


def _comparable(metric: Metric, then: _Told, now: _Told) -> bool:
    if then.estimate.scale is not now.estimate.scale:
        return False
    return then.estimate.scale is Scale.RATIO or metric.unit not in _DRIFTING


def _beyond_margin(change: Change) -> bool:
    if change.scale is Scale.RATIO:
        return abs(log(change.after / change.before)) > log(1 + max(change.margin, LEAST_MARGIN))
    return abs(change.after - change.before) > change.margin


def _change(name: _Name, metric: Metric, then: _Told, now: _Told) -> Change:
    experiment, budget, variant, left, right = name
    before, after = then.estimate.point, now.estimate.point
    ratio = then.estimate.scale is Scale.RATIO
    return Change(
        experiment=experiment,
        budget=budget,
        variant=variant,
        transport=left,
        against=right,
        key=metric.key,
        label=metric.label.strip(),
        unit=metric.unit,
        scale=then.estimate.scale,
        before=before,
        after=after,
        margin=max(then.margin, now.margin),
        p=moved_p(then.by_block, now.by_block, log(after / before) if ratio else after - before),
        worse=(after > before) != metric.more_is_better,
    )
