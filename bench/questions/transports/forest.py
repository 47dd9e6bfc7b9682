# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The forest plot: every comparison of the first pair of transports, by question."""

from __future__ import annotations

from collections.abc import Sequence
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
    return Forest(
        key="forest",
        title=f"Every comparison: {first.left} against {first.right}",
        groups=tuple(group for each in standings if (group := _group(each, keys))),
        hint=f"Left of the line {first.left} has less, right of it {first.right}. Line: 95 % "
        "interval; shade: the margin, noise included; circle: trials in blocks; diamond: within "
        "the same storms (duet); in colour where a side is better.",
    )


def _group(standing: Standing, keys: dict[int, str]) -> Effects | None:
    known = [
        (each, row, row.estimate)
        for each in standing.comparisons
        if (row := each.row(KEYS[standing.question])) and row.estimate
    ]
    differ = [each for each in known if each[1].outcome is not Outcome.EQUAL]
    scales = {estimate.scale for *_, estimate in differ}
    if len(scales) != 1:
        return None
    memory = standing.question is Question.MEMORY
    if memory:  # which no storm changes: one row for each budget
        differ.sort(key=lambda each: each[0].left.budget_bytes)
    first: dict[str, tuple[Comparison, Row, Estimate]] = {}
    for one in differ:
        first.setdefault(budget(one[0].budget) if memory else place(one[0]), one)
    same = len(known) - len(differ)
    return Effects(
        title=_TITLES[standing.question],
        ratio=scales == {Scale.RATIO},
        rows=tuple(_effect(label, keys[id(one[0])], *one) for label, one in first.items()),
        more=f"{same} more: the same in every block" if same else "",
    )


def _effect(label: str, key: str, comparison: Comparison, row: Row, found: Estimate) -> Effect:
    side = comparison.left if row.better < 0 else comparison.right
    return Effect(
        label=label,
        key=key,
        point=found.point,
        low=found.low,
        high=found.high,
        margin=row.margin,
        words=f"{point(found, row.unit)} ({interval(found, row.unit)})",
        duet=comparison.duet,
        better=side.transport if row.better else "",
    )
