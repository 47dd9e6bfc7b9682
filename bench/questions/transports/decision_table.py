# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The table behind the decision: for each question the largest differences first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import inf
from typing import Final

from bench.judge.comparison import Comparison
from bench.judge.ladder import Ladder
from bench.questions.transports.decision import WORDS, first_pair
from bench.questions.transports.standing import KEYS, Question, Standing, lost, saving
from bench.questions.transports.summary import Summary
from bench.questions.transports.tables import cells, compared_columns, compared_row
from bench.questions.transports.words import place
from bench.report.document import Cell, Table
from bench.report.document import Row as Shown
from bench.report.units import budget, clean, interval, size

_MOST_ROWS: Final = 3  # a question


def decision_table(summary: Summary) -> Table:
    """Tabulate the numbers behind the decision."""
    standings = first_pair(summary)
    sides = (standings[0].left, standings[0].right)
    return Table(
        key="decision",
        title="The numbers behind it, where the sides differ most",
        corner="",
        columns=compared_columns(sides, "95 % interval"),
        rows=(
            *(row for each in standings if each.asked for row in _rows(each)),
            *_least_budgets(summary.ladders, *sides),
        ),
        hint="Interval: of the ratio, left over right, or of the difference in points (with a "
        "sign). ≈ undecided, with the smallest difference that could have been detected.",
    )


def _rows(standing: Standing) -> Iterator[Shown]:
    """Yield the most telling comparisons; where none was decided, the closest one."""
    memory = standing.question is Question.MEMORY  # whatever the storm
    decided = [each for found in standing.directions for each in found.decided]
    decided = decided or [each for _, won in standing.wins for each in won]
    telling = {
        budget(each.budget) if memory else place(each): each
        for each in sorted(decided, key=partial(saving, standing.question))
    }
    noun = "CPU a million" if standing.question is Question.CPU else WORDS[standing.question][0]
    shown = [*telling.values()][: -_MOST_ROWS - 1 : -1] or [_closest(standing)]
    for at, each in enumerate(shown):
        where = budget(each.budget) if memory else place(each)
        yield from _row(each, KEYS[standing.question], f" {where}" if at else f"{noun}, {where}")
        if standing.question is Question.LATENCY and not at:
            yield from _row(each, "latency_p99_ns", " 99th percentile")


def _row(comparison: Comparison, key: str, label: str) -> Iterator[Shown]:
    if (row := comparison.row(key)) is not None:
        between = interval(row.estimate, row.unit).removesuffix(" pt")
        yield compared_row(comparison, row, label, between)


def _closest(standing: Standing) -> Comparison:
    """Return the comparison that came closest to a decision where none was decided."""

    def worth(each: Comparison) -> float:
        match standing.question:
            case Question.DROPS:  # where none or all was lost no side can differ
                return min(lost(each), 2 - lost(each))
            case Question.ORDER:
                return each.left.causal_violations + each.right.causal_violations
        row = each.row(KEYS[standing.question])
        return -row.resolvable if row is not None and row.resolvable is not None else -inf

    return max(standing.open or standing.comparisons, key=worth)


def _least_budgets(ladders: Sequence[Ladder], *sides: str) -> Iterator[Shown]:
    for experiment in dict.fromkeys(ladder.experiment for ladder in ladders):
        of_side = {each.transport: each for each in ladders if each.experiment == experiment}
        if of_side.keys() >= {*sides}:
            texts = (
                size(each.minimum_bytes)
                if each.minimum_bytes is not None
                else f"above {size(each.rungs[-1].budget_bytes)}"
                for each in map(of_side.__getitem__, sides)
            )
            yield Shown(
                heading=Cell(text=f"lossless budget, {clean(experiment)}"),
                cells=cells(*texts, "", ""),
            )
