# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the tables of the comparison: the headline's numbers, every comparison, the ladders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from bench.amounts import bound, counted, time
from bench.errors import clean
from bench.judge.comparison import Compared, Comparison, Outcome, Side
from bench.judge.floor import LEAST_MARGIN
from bench.judge.ladder import Ladder, Rung
from bench.judge.metrics import Unit
from bench.questions.transports.words import name, place
from bench.report.document import NONE, Cell, Column, Evidence, Level, Mark, Table
from bench.report.document import Row as Shown
from bench.report.table import cells, columns, quantity
from bench.report.units import interval, point, resolvable

LEGEND: Final = (
    "Better: the side, if the 95 % interval lies beyond the margin (2 %, or the A/A "
    "noise floor if larger); = within 2 %: equivalent, the whole interval lies there; ≈ undecided, "
    "with the smallest difference that could have been detected; = the same in every block that "
    "was run. Within the same storms (duets) an interval that excludes 1 names a side. Each number "
    "is judged by itself here; the decision corrects for the number of comparisons. Ratio: left "
    "over right, paired within blocks; with a sign, a difference (of shares in points). The right "
    "value is the median over blocks (of shares the mean; of p90 to p99.9 in duets that of all "
    "records), the left one is that times the ratio, or plus the difference."
)
_SIGNS: Final = {
    Outcome.EQUIVALENT: f"= within {bound(LEAST_MARGIN)}",
    Outcome.EQUAL: "=",
    Outcome.TOO_FEW: "few blocks",
}
"""Shown where neither side is better."""

_OVERVIEW: Final = {
    "own_dropped_share": "dropped",
    "causal_violation_share": "violations",
    "latency_p50_ns": "p50",
    "latency_p99_ns": "p99",
}
_TOO_LONG: Final = "p50, p99 too long by at most"
_POOLED: Final = {"p50": "p50_ns", "p99": "p99_ns", "p99.9": "p999_ns", "max": "max_ns"}


def compared_columns(sides: Sequence[str], *between: str) -> tuple[Column, ...]:
    """Return the columns of both sides, those of their difference, and which is better."""
    return (
        *(Column(heading=side, transport=side) for side in sides),
        *columns(*between, verdict="better"),
    )


def compared_row(comparison: Comparison, row: Compared, label: str, *between: str) -> Shown:
    """Return one number of both sides, their difference, and which is better."""
    found = row.estimate
    return Shown(
        heading=Cell(text=label.strip()),
        cells=(
            *(quantity(value, row.unit) for value in (row.left, row.right)),
            *cells(*between),
            _better(comparison, row),
        ),
        under=label.startswith(" "),
        evidence=Evidence(low=found.low, high=found.high) if found is not None else None,
    )


def _better(comparison: Comparison, row: Compared) -> Cell:
    """Name the better side, or the sign of why there is none."""
    if row.better:
        side = clean((comparison.left if row.better < 0 else comparison.right).transport)
        return Cell(text=side, mark=Mark.GOOD, transport=side)
    text = _SIGNS.get(row.outcome, "")
    if row.outcome is Outcome.UNDECIDED and row.estimate and row.resolvable is not None:
        text = f"≈ {resolvable(row.resolvable, row.estimate.scale, row.unit)}"
    return Cell(text=text, mark=Mark.SOFT)


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
        between = point(row.estimate, row.unit), interval(row.estimate, row.unit)
        found = compared_row(comparison, row, row.label, *between)
        yield replace(found, begins=row.group is not group)
        group = row.group
        one, other = _sums(row.key, left), _sums(row.key, right)
        if not any(e and e.count for e in (left.latency_error, right.latency_error)):
            one.pop(_TOO_LONG, None)
            other.pop(_TOO_LONG, None)
        for label in dict.fromkeys((*one, *other)):
            sums = cells(one.get(label, NONE), other.get(label, NONE), "", "", "")
            yield Shown(heading=Cell(text=label), cells=sums, under=True)


def _sums(key: str, side: Side) -> dict[str, str]:
    """Return the sums of one side that explain a number."""
    match key:
        case "own_dropped_share":
            return {
                "records": f"{side.own_dropped:,}/{side.own_attempted:,}",
                "trials that dropped": f"{side.lossy:,}/{side.trials:,}",
                **{f"{clean(kind)}, by kernel": f"{n:,}" for kind, n in side.lost_told.items()},
            }
        case "causal_violation_share":
            return {"of causal pairs": f"{side.causal_violations:,}/{side.causal_pairs:,}"}
        case "latency_max_ns" if side.latency is not None:
            pooled, error = side.latency, side.latency_error
            sums = {f"all records pooled, {e}": time(getattr(pooled, _POOLED[e])) for e in _POOLED}
            if error is not None:
                sums[_TOO_LONG] = f"{time(error.p50_ns)}, {time(error.p99_ns)}"
            return sums
    return {}


def overview_table(comparisons: Sequence[Comparison]) -> Table:
    """Make two rows per comparison, so that the table fits 80 columns."""
    return Table(
        key="overview",
        title="Every comparison at a glance",
        corner="experiment and budget",
        columns=(*columns("transport", numeric=False), *columns(*_OVERVIEW.values())),
        rows=tuple(row for each in comparisons for row in _both(each)),
        level=Level.EVIDENCE,
    )


def _both(comparison: Comparison) -> Iterator[Shown]:
    sides = (comparison.left, place(comparison), -1), (comparison.right, "", 1)
    for side, heading, sign in sides:
        transport = Cell(text=side.transport, transport=side.transport)
        numbers = (_overview_cell(comparison.row(key), sign) for key in _OVERVIEW)
        yield Shown(heading=Cell(text=heading), cells=(transport, *numbers))


def _overview_cell(row: Compared | None, sign: int) -> Cell:
    if row is None:
        return Cell(text=NONE)
    mark = Mark.GOOD if row.better == sign else Mark.NONE
    return quantity(row.left if sign < 0 else row.right, row.unit, mark)


def ladder_table(key: str, ladder: Ladder) -> Table:
    """Tabulate how often each budget lost something."""
    return Table(
        key=key,
        title=f"Loss by budget: {name(ladder.transport)}, {ladder.experiment}",
        corner="budget",
        columns=columns("storms that lost", "storms", "probability", "at most (95 %)"),
        rows=tuple(rung_row(rung, rung.lossy / rung.trials, rung.bound) for rung in ladder.rungs),
    )


def rung_row(rung: Rung, *shares: float) -> Shown:
    """Return how many storms lost something at one budget, of how many, and the shares."""
    return Shown(
        heading=quantity(rung.budget_bytes, Unit.BYTES),
        cells=(
            *map(quantity, (rung.lossy, rung.trials)),
            *(quantity(each, Unit.SHARE) for each in shares),
        ),
    )
