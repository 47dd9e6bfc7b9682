# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the forest plot: what it contains, and that what is drawn is what was measured."""

from __future__ import annotations

import re
from math import inf, log

import pytest
import reference

from bench.judge.comparison import Outcome
from bench.questions.transports.document import document
from bench.report.document import Effect, Effects, Fold, Forest
from bench.report.forest import axis, drawing


def plot_of(parts: tuple[object, ...]) -> Forest:
    (found,) = (part for part in parts if isinstance(part, Forest))
    return found


def test_every_comparison_that_differs_has_a_row_that_leads_to_its_evidence() -> None:
    summary = reference.summary(reference.OLD)
    shown = document(summary, {})
    plot = plot_of(shown.parts)
    folds = {part.key for part in shown.parts if isinstance(part, Fold)}
    rows = [row for group in plot.groups for row in group.rows]
    assert {row.key for row in rows} <= folds
    for standing, group in zip(summary.standings, plot.groups, strict=True):
        differ = [
            each
            for each in standing.comparisons
            if (row := each.row(standing.question.key)) and row.outcome is not Outcome.EQUAL
        ]
        if standing.question != "memory":  # of which there is one a budget
            assert len(group.rows) == len(differ)
            won = {id(each): side for side, decided in standing.wins for each in decided}
            # As many as the answer counts: one interval is not corrected for their number.
            assert [row.better for row in group.rows] == [won.get(id(each), "") for each in differ]
        same = standing.considered - len(differ)
        assert group.more.startswith(f"{same} more") == bool(same)


def effect(point: float, low: float, high: float, **more: object) -> Effect:
    given = {"label": "storm", "key": "k", "words": "w", "margin": 0.02, **more}
    return Effect(point=point, low=low, high=high, **given)  # type: ignore[arg-type]


def places(svg: str) -> tuple[float, float, float]:
    """Return where the interval begins and ends, and the line of no difference."""
    span = re.search(r'class="span" x1="([\d.]+)" x2="([\d.]+)"', svg)
    line = re.search(r'class="axis" x1="([\d.]+)"', svg)
    assert span
    assert line
    return float(span[1]), float(span[2]), float(line[1])


def test_ratios_stand_on_a_logarithmic_line_around_one() -> None:
    half, double = effect(0.5, 0.4, 0.6), effect(2.0, 1 / 0.6, 2.5)
    group = Effects(title="", ratio=True, rows=(half, double))
    low, high, line = places(drawing(half, group))
    assert low < high < line
    mirrored = places(drawing(double, group))
    assert line - low == pytest.approx(mirrored[1] - line, abs=0.2)
    assert (line - high) / (line - low) == pytest.approx(log(0.6) / log(0.4), abs=0.01)


def test_what_has_no_bound_ends_at_the_edge() -> None:
    wide = effect(1.0, 0.0, inf, duet=True)
    svg = drawing(wide, Effects(title="", ratio=True, rows=(wide,)))
    low, high, line = places(svg)
    assert (low + high) / 2 == pytest.approx(line)
    assert "<circle" not in svg


def test_differences_stand_on_a_line_around_zero_and_equal_ones_do_not_fail() -> None:
    none = effect(0.0, 0.0, 0.0, margin=0.0)
    assert places(drawing(none, Effects(title="", ratio=False, rows=(none,))))
    some = effect(-0.2, -0.3, -0.1, margin=0.0)
    group = Effects(title="", ratio=False, rows=(some,))
    assert places(drawing(some, group))[1] < places(drawing(some, group))[2]
    assert "-20 pt" in axis(group)


def test_words_cannot_leave_their_attribute() -> None:
    evil = effect(1.0, 0.9, 1.1, words='"><script>', better="ringbuf")
    assert "<script>" not in drawing(evil, Effects(title="", ratio=True, rows=(evil,)))
