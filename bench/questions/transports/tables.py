# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Tables of the comparison: the headline's numbers, every comparison, the ladders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from bench.amounts import counted
from bench.judge.comparison import Comparison, Outcome, Row, Side
from bench.judge.floor import LEAST_MARGIN
from bench.judge.ladder import Ladder
from bench.measure.latency import Percentiles
from bench.questions.transports.words import name, place
from bench.report.document import NONE, Cell, Column, Evidence, Level, Mark, Table
from bench.report.document import Row as Shown
from bench.report.units import clean, interval, number, point, resolvable, share, size, time

LEGEND: Final = (
    "Better: the side, if the 95 % interval lies beyond the margin (2 %, or the A/A "
    "noise floor if larger); = within 2 %: equivalent, the whole interval lies there; ≈ undecided, "
    "with the smallest difference that could have been detected; = the same in every block that "
    "was run. Within the same storms (duets) an interval that excludes 1 names a side. Ratio: left "
    "over right, paired within blocks; with a sign, a difference (of shares in points). The right "
    "value is the median over blocks (of shares the mean), the left one is that times the ratio, "
    "or plus the difference."
)
_OVERVIEW: Final = {
    "own_dropped_share": "dropped",
    "causal_violation_share": "violations",
    "latency_p50_ns": "p50",
    "latency_p99_ns": "p99",
}


def _pooled(key: str, side: Side) -> str | None:
    return None if side.latency is None else time(getattr(side.latency, key))


_EXPLAINED: Final[dict[str, tuple[tuple[str, Callable[[Side], str | None]], ...]]] = {
    "own_dropped_share": (
        ("records", lambda side: f"{side.own_dropped:,}/{side.own_attempted:,}"),
        ("trials that dropped", lambda side: f"{side.lossy:,}/{side.trials:,}"),
    ),
    "causal_violation_share": (
        ("of causal pairs", lambda side: f"{side.causal_violations:,}/{side.causal_pairs:,}"),
    ),
    "latency_max_ns": tuple(
        (f"all records pooled, {words}", partial(_pooled, f"{key}_ns"))
        for words, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"), ("max", "max"))
    ),
}
"""Sums that explain a number, where both sides have them."""


def columns(*headings: str, numeric: bool = True) -> tuple[Column, ...]:
    """Return columns that differ in their headings alone."""
    return tuple(Column(heading=each, numeric=numeric) for each in headings)


def cells(*values: str | int | Cell) -> tuple[Cell, ...]:
    """Return cells of texts alone, of counts, and those that are given."""
    return tuple(
        each if isinstance(each, Cell)
        else Cell(text=each) if isinstance(each, str)
        else Cell(text=f"{each:,}", value=each)
        for each in values
    )  # fmt: skip


def compared_columns(sides: Sequence[str], *between: str) -> tuple[Column, ...]:
    """Return the columns of both sides, those of what lies between them, and which is better."""
    return (
        *(Column(heading=side, transport=side) for side in sides),
        *columns(*between),
        Column(heading="better", numeric=False, verdict=True),
    )


def better(comparison: Comparison, row: Row) -> Cell:
    """Name the better side, or the sign of why there is none."""
    if row.better:
        side = clean((comparison.left if row.better < 0 else comparison.right).transport)
        return Cell(text=side, mark=Mark.GOOD, transport=side)
    signs = {
        Outcome.EQUIVALENT: f"= within {share(LEAST_MARGIN)}",
        Outcome.EQUAL: "=",
        Outcome.TOO_FEW: "few blocks",
    }
    if row.outcome is Outcome.UNDECIDED and row.estimate and row.resolvable is not None:
        least = resolvable(row.resolvable, row.estimate.scale, row.unit)
        return Cell(text=f"≈ {least}", mark=Mark.SOFT)
    return Cell(text=signs.get(row.outcome, ""), mark=Mark.SOFT)


def comparison_table(key: str, comparison: Comparison) -> Table:
    """Tabulate every number of a comparison, and the sums that explain some of them."""
    left, right = comparison.left, comparison.right
    sides = (left.transport, right.transport)
    return Table(
        key=key,
        title=f"{place(comparison)}: {left.trials} and {counted(right.trials, 'trial')}",
        corner="number",
        columns=compared_columns(sides, "ratio or diff.", "95 % interval"),
        rows=tuple(_numbers(comparison)),
    )


def _numbers(comparison: Comparison) -> Iterator[Shown]:
    left, right = comparison.left, comparison.right
    group = comparison.rows[0].group if comparison.rows else None
    for row in comparison.rows:
        found, unit = row.estimate, row.unit
        values = (number(value, unit) for value in (row.left, row.right))
        texts = cells(*values, point(found, unit), interval(found, unit))
        yield Shown(
            heading=Cell(text=row.label.strip()),
            cells=(*texts, better(comparison, row)),
            begins=row.group is not group,
            under=row.label.startswith(" "),
            evidence=Evidence(low=found.low, high=found.high) if found is not None else None,
        )
        group = row.group
        for label, text in _EXPLAINED.get(row.key, ()):
            yield from _sums(label, text(left), text(right))
        errors = [side.latency_error for side in (left, right)]
        if row.key == "latency_max_ns" and any(each and each.count for each in errors):
            yield from _sums("p50, p99 too long by at most", *map(_too_long, errors))
        if row.key == "own_dropped_share":
            for kind in dict.fromkeys((*left.lost_told, *right.lost_told)):
                counts = (side.lost_told.get(kind) for side in (left, right))
                shown = (NONE if count is None else f"{count:,}" for count in counts)
                yield from _sums(f"{clean(kind)}, by kernel", *shown)


def _too_long(error: Percentiles | None) -> str:
    return NONE if error is None else f"{time(error.p50_ns)}, {time(error.p99_ns)}"


def _sums(label: str, left: str | None, right: str | None) -> Iterator[Shown]:
    if left is not None and right is not None:
        yield Shown(heading=Cell(text=label), cells=cells(left, right, "", "", ""), under=True)


def overview_table(comparisons: Sequence[Comparison]) -> Table:
    """Make two rows a comparison, so that the table fits 80 columns."""
    return Table(
        key="overview",
        title="Every comparison at a glance",
        corner="experiment and budget",
        columns=(*columns("transport", numeric=False), *columns(*_OVERVIEW.values())),
        rows=tuple(row for each in comparisons for row in _both(each)),
        level=Level.EVIDENCE,
    )


def _both(comparison: Comparison) -> Iterator[Shown]:
    rows = [comparison.row(key) for key in _OVERVIEW]
    sides = (comparison.left, place(comparison), -1), (comparison.right, "", 1)
    for side, heading, sign in sides:
        transport = Cell(text=side.transport, transport=side.transport)
        numbers = (_overview_cell(row, sign) for row in rows)
        yield Shown(heading=Cell(text=heading), cells=(transport, *numbers))


def _overview_cell(row: Row | None, sign: int) -> Cell:
    if row is None:
        return Cell(text=NONE)
    value = row.left if sign < 0 else row.right
    mark = Mark.GOOD if row.better == sign else Mark.NONE
    return Cell(text=number(value, row.unit), value=value, mark=mark)


def ladder_table(key: str, ladder: Ladder) -> Table:
    """Tabulate how often each budget lost something."""
    return Table(
        key=key,
        title=f"Loss by budget: {name(ladder.transport)}, {ladder.experiment}",
        corner="budget",
        columns=columns("storms that lost", "storms", "probability", "at most (95 %)"),
        rows=tuple(
            Shown(
                heading=Cell(text=size(rung.budget_bytes), value=rung.budget_bytes),
                cells=(
                    Cell(text=str(rung.lossy), value=rung.lossy),
                    Cell(text=str(rung.trials), value=rung.trials),
                    Cell(text=share(rung.lossy / rung.trials), value=rung.lossy / rung.trials),
                    Cell(text=share(rung.bound), value=rung.bound),
                ),
            )
            for rung in ladder.rungs
        ),
    )
