# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The forest plot: every comparison of the first pair of transports, by question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.judge.comparison import Comparison, Outcome, Row
from bench.judge.statistics import Scale
from bench.questions.transports.standing import KEYS, Question, Standing
from bench.questions.transports.words import place
from bench.report.document import Effect, Effects, Forest
from bench.report.units import budget, interval, point

_TITLES: Final = {
    Question.DROPS: "Drops: difference of shares",
    Question.ORDER: "Causal violations: difference of shares",
    Question.MEMORY: "Memory: ratio",
    Question.LATENCY: "Median latency: ratio",
    Question.CPU: "Consumer CPU: ratio",
    Question.WRITE: "Time of a write: ratio",
}


def forest(standings: Sequence[Standing], keys: dict[int, str]) -> Forest:
    """Return the plot; ``keys`` names the part that holds each comparison, by its identity."""
    first = standings[0]
    asked = [each for each in standings if each.left == first.left and each.asked]
    return Forest(
        key="forest",
        title=f"Every comparison: {first.left} against {first.right}",
        groups=tuple(group for each in asked if (group := _group(each, keys)) is not None),
        hint=f"Left of the line {first.left} has less, right of it {first.right}. Line: 95 % "
        "interval; shade: the margin, noise included; circle: trials in blocks; diamond: within "
        "the same storms (duet); in colour where a side is better.",
    )


def _group(standing: Standing, keys: dict[int, str]) -> Effects | None:
    rows = [(each, each.row(KEYS[standing.question])) for each in standing.comparisons]
    known = [(each, row) for each, row in rows if row is not None and row.estimate is not None]
    differ = [(each, row) for each, row in known if row.outcome is not Outcome.EQUAL]
    scales = {row.estimate.scale for _, row in differ if row.estimate is not None}
    if not differ or len(scales) > 1:
        return None
    same = len(known) - len(differ)
    return Effects(
        title=_TITLES[standing.question],
        ratio=scales == {Scale.RATIO},
        rows=tuple(_effects(standing.question, differ, keys)),
        more=f"{same} more: the same in every block" if same else "",
    )


def _effects(
    question: Question, known: Sequence[tuple[Comparison, Row]], keys: dict[int, str]
) -> Iterator[Effect]:
    """Yield a row a comparison; of memory, which no storm changes, one a budget."""
    shown: set[str] = set()
    if question is Question.MEMORY:
        known = sorted(known, key=lambda pair: pair[0].left.budget_bytes)
    for each, row in known:
        label = budget(each.budget) if question is Question.MEMORY else place(each)
        if row.estimate is None or label in shown:
            continue
        shown.add(label)
        side = each.left if row.better < 0 else each.right
        yield Effect(
            label=label,
            key=keys[id(each)],
            point=row.estimate.point,
            low=row.estimate.low,
            high=row.estimate.high,
            margin=row.margin,
            words=f"{point(row.estimate, row.unit)} ({interval(row.estimate, row.unit)})",
            duet=each.duet,
            better=side.transport if row.better else "",
        )
