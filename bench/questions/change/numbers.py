# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Changes between two sets of journals in how transports compare with the perf buffers.

No number of one set is compared with one of the other by itself: machines drift, and two may
differ. Compared is what each set has within itself: a transport against the perf buffers, as ratio
or difference, paired within blocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import log
from typing import Final

from bench.judge.comparison import Comparison, Row
from bench.judge.floor import LEAST_MARGIN
from bench.judge.metrics import METRICS, Metric, Unit
from bench.judge.samples import paired
from bench.judge.statistics import FEWEST_BLOCKS, Scale, holm, moved_p
from bench.plan.experiments import ArmName
from bench.questions.change.journal_set import JournalSet, same_question

LEVEL: Final = 0.05
"""Of the p of a change, after correction."""

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
class LeftOut:
    """What could not be compared."""

    too_few_blocks: int  # numbers that one set has in fewer than 8 blocks
    only_before: tuple[str, ...]  # comparisons by name
    only_after: tuple[str, ...]
    unlike: tuple[str, ...]  # that were run differently


def changes(before: JournalSet, after: JournalSet) -> tuple[tuple[Change, ...], int, LeftOut]:
    """Return the numbers that changed, of how many that were compared, and what was left out.

    A number changed if its estimates differ by more than both sets' margins and beyond chance:
    the p of Yuen's test, over the ratios (or differences) of all blocks, is below 5 % after Holm's
    correction.
    """
    then, now = _named(before), _named(after)
    common = sorted(then.keys() & now.keys())
    alike = [name for name in common if _same(then[name], before, now[name], after)]
    found: list[Change] = []
    too_few = 0
    for name in alike:
        for metric in METRICS:
            rows = then[name].row(metric.key), now[name].row(metric.key)
            scale = _scale(metric, *rows)
            if scale is None:
                continue
            blocks = [
                _blocks(metric, scale, one[name], journals)
                for one, journals in ((then, before), (now, after))
            ]
            if min(map(len, blocks)) < FEWEST_BLOCKS:
                too_few += 1
            else:
                found.append(_change(name, metric, scale, rows, blocks))
    adjusted = zip(found, holm([change.p for change in found]), strict=True)
    return (
        tuple(replace(each, p=p) for each, p in adjusted if p < LEVEL and _beyond_margin(each)),
        len(found),
        LeftOut(
            too_few_blocks=too_few,
            only_before=_words(then.keys() - now.keys()),
            only_after=_words(now.keys() - then.keys()),
            unlike=_words(set(common) - set(alike)),
        ),
    )


def _named(one: JournalSet) -> dict[_Name, Comparison]:
    found: dict[_Name, Comparison] = {}
    for each in one.summary.comparisons:
        arm = ArmName.parse(each.left.arm)
        found[each.experiment, each.budget, arm.variant, arm.transport, each.right.transport] = each
    return found


def _words(names: Iterable[_Name]) -> tuple[str, ...]:
    return tuple(
        f"{experiment} at {budget}{f' ({variant})' if variant else ''}, {left} against {right}"
        for experiment, budget, variant, left, right in sorted(names)
    )


def _same(then: Comparison, before: JournalSet, now: Comparison, after: JournalSet) -> bool:
    arms, others = before.arms_of(then.experiment), after.arms_of(now.experiment)
    return all(
        same_question(before, arms[one], after, others[other])
        for one, other in ((then.left.arm, now.left.arm), (then.right.arm, now.right.arm))
    )


def _scale(metric: Metric, *rows: Row | None) -> Scale | None:
    """Return the scale of both estimates; None where they cannot be compared."""
    scales = {row.estimate.scale if row and row.estimate else None for row in rows}
    scale = scales.pop()
    if scales or (scale is Scale.DIFFERENCE and metric.unit in _DRIFTING):
        return None
    return scale


def _blocks(metric: Metric, scale: Scale, each: Comparison, one: JournalSet) -> list[float]:
    """Return left against right, block by block, on the scale on which differences add up."""
    arms = one.arms_of(each.experiment)
    pairs = zip(*paired(metric, arms[each.left.arm], arms[each.right.arm]), strict=True)
    ratio = scale is Scale.RATIO
    return [log(left) - log(right) if ratio else left - right for left, right in pairs]


def _beyond_margin(change: Change) -> bool:
    if change.scale is Scale.RATIO:
        return abs(log(change.after / change.before)) > log(1 + max(change.margin, LEAST_MARGIN))
    return abs(change.after - change.before) > change.margin


def _change(
    name: _Name,
    metric: Metric,
    scale: Scale,
    rows: Iterable[Row | None],
    blocks: list[list[float]],
) -> Change:
    experiment, budget, variant, left, right = name
    known = [row for row in rows if row is not None]
    before, after = (row.estimate.point for row in known if row.estimate is not None)
    shown = log(after / before) if scale is Scale.RATIO else after - before
    return Change(
        experiment=experiment,
        budget=budget,
        variant=variant,
        transport=left,
        against=right,
        key=metric.key,
        label=metric.label.strip(),
        unit=metric.unit,
        scale=scale,
        before=before,
        after=after,
        margin=max(row.margin for row in known),
        p=moved_p(blocks[0], blocks[1], shown),
        worse=(after > before) != metric.more_is_better,
    )
