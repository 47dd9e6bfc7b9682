# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Tables of the comparison: the headline's numbers, every comparison, the ladders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from bench.judge.comparison import Comparison, Outcome, Row, Side
from bench.judge.floor import LEAST_MARGIN
from bench.judge.ladder import Ladder
from bench.judge.metrics import Unit
from bench.questions.transports.standing import Question, Standing, lost
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import name, place
from bench.report.document import NONE, Cell, Column, Evidence, Level, Mark, Table
from bench.report.document import Row as Shown
from bench.report.units import clean, interval, number, point, resolvable, share, size, time

LEGEND: Final = (
    "Better: the side, if the 95 % interval lies beyond the margin (2 %, or the A/A "
    "noise floor if larger); = within 2 %: equivalent, the whole interval lies there; ≈ undecided, "
    "with the least difference that could have been seen; = the same in every block that was run. "
    "Within the same storms (duets) any interval beside 1 names a side. Ratio: left over right, "
    "paired within blocks; with a sign, a difference (of shares in points). The right value is the "
    "median over blocks (of shares the mean), the left one is that times the ratio, or plus the "
    "difference."
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


def cells(*texts: str) -> tuple[Cell, ...]:
    """Return cells of text alone."""
    return tuple(Cell(text=each) for each in texts)


def _compared(comparison: Comparison) -> tuple[Column, ...]:
    """Return the columns of both sides, and those of what lies between them."""
    sides = (comparison.left.transport, comparison.right.transport)
    return (
        *(Column(heading=side, transport=side) for side in sides),
        *columns("ratio or diff.", "95 % interval"),
        *columns("better", numeric=False),
    )


def _row(comparison: Comparison, row: Row, label: str, *more: Cell) -> Shown:
    texts = (
        number(row.left, row.unit),
        number(row.right, row.unit),
        point(row.estimate, row.unit),
        interval(row.estimate, row.unit),
    )
    return Shown(heading=Cell(text=label), cells=(*cells(*texts), _better(comparison, row), *more))


def _better(comparison: Comparison, row: Row) -> Cell:
    """Name the better side, or the sign of why there is none."""
    if row.better:
        side = clean((comparison.left if row.better < 0 else comparison.right).transport)
        return Cell(text=side, mark=Mark.GOOD, transport=side)
    signs = {
        Outcome.EQUIVALENT: f"= within {share(LEAST_MARGIN)}",
        Outcome.EQUAL: "=",
        Outcome.TOO_FEW: "few blocks",
    }
    if row.outcome is Outcome.UNDECIDED and row.estimate is not None:
        return Cell(text=f"≈ {resolvable(row.estimate, row.unit)}", mark=Mark.SOFT)
    return Cell(text=signs.get(row.outcome, ""), mark=Mark.SOFT)


def comparison_table(key: str, comparison: Comparison) -> Table:
    """Tabulate every number of a comparison, and the sums that explain some of them."""
    left, right = comparison.left, comparison.right
    return Table(
        key=key,
        title=f"{place(comparison)}: {left.trials} and {right.trials} trials",
        corner="number",
        columns=_compared(comparison),
        rows=tuple(_numbers(comparison)),
    )


def _numbers(comparison: Comparison) -> Iterator[Shown]:
    left, right = comparison.left, comparison.right
    group = comparison.rows[0].group if comparison.rows else None
    for row in comparison.rows:
        found = row.estimate
        yield replace(
            _row(comparison, row, row.label.strip()),
            begins=row.group is not group,
            under=row.label.startswith(" "),
            evidence=Evidence(low=found.low, high=found.high) if found is not None else None,
        )
        group = row.group
        for label, text in _EXPLAINED.get(row.key, ()):
            yield from _sums(label, text(left), text(right))
        if row.key == "own_dropped_share":
            for kind in dict.fromkeys((*left.lost_told, *right.lost_told)):
                counts = (side.lost_told.get(kind) for side in (left, right))
                texts = (NONE if count is None else f"{count:,}" for count in counts)
                yield from _sums(f"{clean(kind)}, by kernel", *texts)


def _sums(label: str, left: str | None, right: str | None) -> Iterator[Shown]:
    if left is not None and right is not None:
        yield Shown(
            heading=Cell(text=label),
            cells=(*cells(left, right, "", ""), Cell(text="", mark=Mark.SOFT)),
            under=True,
        )


def overview_table(comparisons: Sequence[Comparison]) -> Table:
    """Make two rows a comparison, so that the table fits 80 columns."""
    return Table(
        key="overview",
        title="Every comparison at a glance",
        corner="experiment and budget",
        columns=(*columns("transport", numeric=False), *columns(*_OVERVIEW.values())),
        rows=tuple(row for each in comparisons for row in _both(each)),
    )


def _both(comparison: Comparison) -> Iterator[Shown]:
    rows = [comparison.row(key) for key in _OVERVIEW]
    for side, heading, sign in (
        (comparison.left, place(comparison), -1),
        (comparison.right, "", 1),
    ):
        yield Shown(
            heading=Cell(text=heading),
            cells=(
                Cell(text=side.transport, transport=side.transport),
                *(_overview_cell(row, sign) for row in rows),
            ),
        )


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


def headline_table(summary: Summary) -> Table:
    """Tabulate each number from a comparison that the headline rests on, which is named."""
    return Table(
        key="headline",
        title="Headline numbers; where the headline names a side, from a comparison behind it",
        corner="number",
        columns=(*_compared(summary.comparisons[0]), *columns("measured in", numeric=False)),
        rows=tuple(_headline_rows(summary)),
        hint="Where nothing was decided, drops are from where the loss is nearest to half, order "
        f"from where most violations were seen, the rest from where nothing was lost. {LEGEND}",
        level=Level.BACKGROUND,
    )


def _halfway(comparison: Comparison) -> float:
    """Return the most where half was lost: where none or all was, no side can differ."""
    sides = (comparison.left, comparison.right)
    shares = [side.own_dropped / side.own_attempted for side in sides if side.own_attempted]
    return sum(share * (1 - share) for share in shares)


def _disorder(comparison: Comparison) -> tuple[int, int]:
    sides = (comparison.left, comparison.right)
    return sum(side.causal_violations for side in sides), comparison.left.fewest_pairs


_Worth = Callable[[Comparison], float | tuple[int, int]]
_HEADLINE: Final[tuple[tuple[Question | None, _Worth | None, dict[str, str]], ...]] = (
    (Question.DROPS, _halfway, {"own_dropped_share": "Events lost"}),
    (Question.ORDER, _disorder, {"causal_violation_share": "Causal violations"}),
    (Question.MEMORY, None, {"physical_bytes": "Memory, true bytes"}),
    (
        Question.LATENCY,
        None,
        {
            "latency_p50_ns": "Latency p50",
            "latency_p99_ns": "Latency p99",
            "latency_p999_ns": "Latency p99.9",
        },
    ),
    (Question.WRITE, None, {"write_ns": "Time of a write"}),
    (None, None, {"kernel_ns_per_run": "In the kernel, per exit"}),
    (None, None, {"kernel_net_ns_per_run": "In the kernel, net of wake-ups"}),
    (Question.CPU, None, {"consumer_cpu_s_per_million": "Consumer CPU per million events"}),
)
"""Numbers by the question that they answer, and which comparison shows most where none is decided.

Without such a worth it is the first that lost nothing; without a question the first that has it.
"""


def _headline_rows(summary: Summary) -> Iterator[Shown]:
    first = summary.comparisons[0]
    sides = (first.left.transport, first.right.transport)
    found = [c for c in summary.comparisons if (c.left.transport, c.right.transport) == sides]
    standings = {
        each.question: each for each in summary.standings if (each.left, each.right) == sides
    }
    for question, worth, labels in _HEADLINE:
        if question is Question.MEMORY:
            yield from _minimum(summary.ladders, *sides)
        if question is None:
            shown = [each for each in found if _known(each.row(next(iter(labels))))][:1]
        else:
            other = max(found, key=worth or (lambda each: lost(each) == 0))
            decided = _decided(standings.get(question)) or [(other,)]
            shown = [max(won, key=worth or (lambda _: 0)) for won in decided]
        for key, label in labels.items():
            for each in shown:
                if (row := each.row(key)) is not None:
                    where = place(each) + (_pairs(each) if question is Question.ORDER else "")
                    yield _row(each, row, label, Cell(text=where, mark=Mark.SOFT))


def _decided(standing: Standing | None) -> list[tuple[Comparison, ...]]:
    """Return the comparisons that speak for a side, by side."""
    if standing is None:
        return []
    carried = [direction.decided for direction in standing.directions]
    return carried or [won for _, won in standing.wins]


def _known(row: Row | None) -> bool:
    return row is not None and row.left is not None and row.right is not None


def _pairs(comparison: Comparison) -> str:
    left, right = (
        f"{side.causal_violations:,} of {side.causal_pairs:,}"
        for side in (comparison.left, comparison.right)
    )
    return f" ({left} pairs, {right})"


def _minimum(ladders: Sequence[Ladder], *sides: str) -> Iterator[Shown]:
    experiments = dict.fromkeys(ladder.experiment for ladder in ladders)
    for experiment in experiments:
        of_both = {each.transport: each for each in ladders if each.experiment == experiment}
        if not of_both.keys() >= {*sides}:
            continue
        left, right = (of_both[side].minimum_bytes for side in sides)
        texts = (
            size(each.minimum_bytes)
            if each.minimum_bytes is not None
            else f"above {size(each.rungs[-1].budget_bytes)}"
            for each in map(of_both.__getitem__, sides)
        )
        ratio = f"x {number(left / right, Unit.TIMES)}" if left and right else NONE
        label = "Minimum lossless budget" + (f", {experiment}" if len(experiments) > 1 else "")
        yield Shown(
            heading=Cell(text=label),
            cells=(
                *cells(*texts, ratio, "0 of 20 storms"),
                Cell(text="", mark=Mark.SOFT),
                Cell(text=experiment, mark=Mark.SOFT),
            ),
        )
