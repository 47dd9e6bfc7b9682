# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The forest plot: every comparison of the first pair of transports, by question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.judge.comparison import Comparison, Outcome, Row
from bench.judge.statistics import Estimate, Scale
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
    known = [
        (each, row, row.estimate)
        for each in standing.comparisons
        if (row := each.row(KEYS[standing.question])) is not None and row.estimate is not None
    ]
    differ = [each for each in known if each[1].outcome is not Outcome.EQUAL]
    scales = {estimate.scale for *_, estimate in differ}
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
    question: Question, known: list[tuple[Comparison, Row, Estimate]], keys: dict[int, str]
) -> Iterator[Effect]:
    """Yield a row for each comparison; for memory, which no storm changes, one for each budget."""
    memory = question is Question.MEMORY
    if memory:
        known = sorted(known, key=lambda each: each[0].left.budget_bytes)
    first: dict[str, tuple[Comparison, Row, Estimate]] = {}
    for one in known:
        first.setdefault(budget(one[0].budget) if memory else place(one[0]), one)
    for label, (each, row, found) in first.items():
        side = each.left if row.better < 0 else each.right
        yield Effect(
            label=label,
            key=keys[id(each)],
            point=found.point,
            low=found.low,
            high=found.high,
            margin=row.margin,
            words=f"{point(found, row.unit)} ({interval(found, row.unit)})",
            duet=each.duet,
            better=side.transport if row.better else "",
        )
