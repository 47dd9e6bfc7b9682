# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The verdict on the first transport compared: a sentence, and the table behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bench.judge.comparison import Comparison, Row
from bench.judge.floor import LEAST_MARGIN
from bench.judge.ladder import Ladder
from bench.judge.metrics import Unit
from bench.questions.transports.standing import Question, Standing, lost
from bench.questions.transports.summary import Summary
from bench.questions.transports.tables import LEGEND, cells, columns, compared_columns, row_of
from bench.questions.transports.words import incomplete, listed, name, place, unfit, waiting
from bench.report.document import NONE, Cell, Level, Mark, Table
from bench.report.document import Row as Shown
from bench.report.units import number, share, size
from bench.tracer.transports import traits

_DOES: Final = {
    Question.DROPS: ("drops", "drop", "fewer events"),
    Question.ORDER: ("keeps", "keep", "order better"),
    Question.MEMORY: ("takes", "take", "less memory at equal budget"),
    Question.LATENCY: ("delivers", "deliver", "sooner in the median"),
    Question.CPU: ("costs its", "cost their", "consumer less CPU"),
    Question.WRITE: ("takes", "take", "less time to write"),
}
_NOUNS: Final = {
    Question.DROPS: "drops",
    Question.ORDER: "order",
    Question.MEMORY: "memory",
    Question.LATENCY: "latency",
    Question.CPU: "CPU of the consumer",
    Question.WRITE: "time of a write",
}
_WHERE: Final = {
    Question.DROPS: " where any are dropped",
    Question.ORDER: " where any are out of order",
}
"""Added where some comparisons had the same on both sides in every block."""


def headline(summary: Summary) -> str:
    """Return the verdict on the first transport compared, in one sentence, after what was stopped.

    A direction is named only where the comparisons carry it (``Standing.directions``), with the
    ways of waiting that it holds for where it does not hold for all.
    """
    text = "; ".join(_parts(summary.standings))
    said = (f"{text[:1].upper()}{text[1:]}.", *unfit(summary))
    if not summary.standings:
        nothing = "Nothing to compare: no experiment has trials of both transports."
        said = (*unfit(summary), nothing)
    return incomplete(summary.coverage) + " ".join(said)


def _parts(standings: Sequence[Standing]) -> Iterator[str]:
    """Yield what is decided for each side, then for what it depends, is alike or undecided."""
    if not standings:
        return
    left, right = standings[0].left, standings[0].right
    asked = [each for each in standings if (each.left, each.right) == (left, right) and each.asked]
    won = [said for side in (left, right) if (said := _wins(asked, side))]
    yield from won
    groups: dict[str, list[str]] = {
        "it depends on the load for": [],
        "the same in every block:": [],
        f"equivalent within {share(LEAST_MARGIN)}:": [],
        "undecided as a whole:": [],
    }
    mixed, same, alike, undecided = groups.values()
    for each in asked:
        noun = _NOUNS[each.question]
        if each.directions:
            continue
        if len(each.wins) > 1:
            mixed.append(noun)
        elif len(each.equal) == each.asked:
            same.append(noun)
        elif len(each.equal) + len(each.equivalent) == each.asked:
            alike.append(noun)
        else:
            undecided.append(noun + _beside(each))
    yield from (f"{words} {listed(nouns)}" for words, nouns in groups.items() if nouns)
    if not won and not any(groups.values()):
        yield "nothing could be decided from these trials"


def _wins(standings: Sequence[Standing], side: str) -> str:
    found = []
    for each in standings:
        one, many, what = _DOES[each.question]
        where = _WHERE.get(each.question, "") if each.equal else ""
        for direction in each.directions:
            if direction.winner == side:
                held = waiting(direction)
                does = many if traits(side).plural else one
                found.append(f"{does} {what}{where}" + (f" ({held})" if held else ""))
    return f"{name(side)} {listed(found)}" if found else ""


def _beside(standing: Standing) -> str:
    """Return how many comparisons were decided for a side, though not enough."""
    return "".join(
        f" ({len(won)} of {standing.asked} comparisons for {name(side)})"
        for side, won in standing.wins
    )


def headline_table(summary: Summary) -> Table:
    """Tabulate each number from a comparison that the headline rests on, which is named."""
    return Table(
        key="headline",
        title="Headline numbers; where the headline names a side, from a comparison behind it",
        corner="number",
        columns=(*compared_columns(summary.comparisons[0]), *columns("measured in", numeric=False)),
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
                    yield row_of(each, row, label, Cell(text=where, mark=Mark.SOFT))


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
