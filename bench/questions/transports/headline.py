# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The first screen: the verdict in a sentence, and the table of both transports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.judge.comparison import Comparison, Row
from bench.judge.floor import LEAST_MARGIN
from bench.judge.ladder import Ladder
from bench.judge.metrics import Unit
from bench.questions.transports.completeness import incomplete
from bench.questions.transports.sentence import listed, name, place, waiting
from bench.questions.transports.standing import Direction, Question, Standing
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import better, reduced, unequal
from bench.report.units import interval, number, point, share, size

_Comparisons = tuple[Comparison, ...]
_Worth = Callable[[Comparison], float | tuple[float, float]]

_WINS = {
    Question.DROPS: "drops fewer events",
    Question.ORDER: "keeps order better",
    Question.MEMORY: "takes less memory at equal budget",
    Question.LATENCY: "delivers sooner in the median",
    Question.CPU: "costs its consumer less CPU",
    Question.WRITE: "takes less time to write",
}
_PLURAL = {
    Question.DROPS: "drop fewer events",
    Question.ORDER: "keep order better",
    Question.MEMORY: "take less memory at equal budget",
    Question.LATENCY: "deliver sooner in the median",
    Question.CPU: "cost their consumer less CPU",
    Question.WRITE: "take less time to write",
}
_NOUNS = {
    Question.DROPS: "drops",
    Question.ORDER: "order",
    Question.MEMORY: "memory",
    Question.LATENCY: "latency",
    Question.CPU: "CPU of the consumer",
    Question.WRITE: "time of a write",
}
_WHERE = {
    Question.DROPS: " where any are dropped",
    Question.ORDER: " where any are out of order",
}
"""Added where some comparisons had the same on both sides in every block."""


def headline(summary: Summary) -> str:
    """Return the verdict on the first transport compared, in one sentence, after what was stopped.

    A direction is named only where the comparisons carry it (``Standing.directions``), with the
    ways of waiting that it holds for where it does not hold for all.
    """
    return incomplete(summary.coverage) + _headline(summary)


def _headline(summary: Summary) -> str:
    if not summary.standings:
        return " ".join(
            (
                *reduced(summary),
                *unequal(summary),
                "Nothing to compare: no experiment has trials of both transports.",
            )
        )
    left, right = summary.standings[0].left, summary.standings[0].right
    asked = [each for each in summary.standings if (each.left, each.right) == (left, right)]
    parts = [*_winner(asked, left), *_winner(asked, right)]
    open_ones = [each for each in asked if each.asked and not each.directions]
    mixed = [_NOUNS[each.question] for each in open_ones if each.for_left and each.for_right]
    if mixed:
        parts.append(f"it depends on the load for {listed(mixed)}")
    same = [_NOUNS[each.question] for each in open_ones if len(each.equal) == each.asked]
    if same:
        parts.append(f"the same in every block: {listed(same)}")
    alike = [_NOUNS[each.question] for each in open_ones if _alike(each)]
    if alike:
        parts.append(f"equivalent within {share(LEAST_MARGIN)}: {listed(alike)}")
    undecided = [
        _undecided(each)
        for each in open_ones
        if not (each.for_left and each.for_right)
        and len(each.equal) < each.asked
        and not _alike(each)
    ]
    if undecided:
        parts.append(f"undecided as a whole: {listed(undecided)}")
    if not parts:
        parts = ["nothing could be decided from these trials"]
    text = "; ".join(parts)
    return " ".join((f"{text[0].upper()}{text[1:]}.", *reduced(summary), *unequal(summary)))


def _alike(standing: Standing) -> bool:
    alike = len(standing.equal) + len(standing.equivalent)
    return bool(standing.equivalent) and alike == standing.asked


def _winner(standings: Sequence[Standing], transport: str) -> Iterator[str]:
    words = _PLURAL if name(transport).endswith("s") else _WINS
    found = [
        f"{words[each.question]}{_condition(each, direction)}"
        for each in standings
        for direction in each.directions
        if direction.winner == transport
    ]
    if found:
        yield f"{name(transport)} {listed(found)}"


def _condition(standing: Standing, direction: Direction) -> str:
    """Return where a direction holds: " (when busy polling)"; "" for everywhere."""
    where = _WHERE.get(standing.question, "") if standing.equal else ""
    held = waiting(direction)
    return where + (f" ({held})" if held else "")


def _undecided(standing: Standing) -> str:
    won = standing.for_left or standing.for_right
    noun = _NOUNS[standing.question]
    if not won:
        return noun
    winner = standing.left if standing.for_left else standing.right
    return f"{noun} ({len(won)} of {standing.asked} comparisons for {name(winner)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRow:
    """One line of the first table."""

    label: str
    left: str
    right: str
    point: str
    interval: str
    better: str
    decided: bool
    where: str


def first_rows(summary: Summary) -> tuple[FirstRow, ...]:
    """Return each number from a comparison that the headline rests on, which is named.

    Where the headline names no side: drops where the loss is nearest to half, order where most was
    violated, the others where nothing was lost, in the experiment that stands first.
    """
    found = summary.comparisons
    if not found:
        return ()
    first = found[0]
    sides = (first.left.transport, first.right.transport)
    found = tuple(each for each in found if (each.left.transport, each.right.transport) == sides)
    standings = {
        each.question: each for each in summary.standings if (each.left, each.right) == sides
    }
    calm = next((each for each in found if _lost(each) == 0), first)

    def shown(question: Question, other: Comparison, key: _Worth | None = None) -> _Comparisons:
        """Return one comparison for each side that was decided for, else ``other``."""
        decided = _decided(standings.get(question))
        return tuple(max(each, key=key) if key else each[0] for each in decided) or (other,)

    latency = shown(Question.LATENCY, calm)
    rows = [
        *_rows(
            shown(Question.DROPS, max(found, key=_halfway), _halfway),
            "own_dropped_share",
            "Events lost",
        ),
        *_order(shown(Question.ORDER, max(found, key=_disorder), _disorder)),
        *_minimum(summary.ladders, *sides),
        *_rows(shown(Question.MEMORY, calm), "physical_bytes", "Memory, true bytes"),
        *_rows(latency, "latency_p50_ns", "Latency p50"),
        *_rows(latency, "latency_p99_ns", "Latency p99"),
        *_rows(latency, "latency_p999_ns", "Latency p99.9"),
        *_rows(shown(Question.WRITE, calm), "write_ns", "Time of a write"),
    ]
    for key, label in (
        ("kernel_ns_per_run", "In the kernel, per exit"),
        ("kernel_net_ns_per_run", "In the kernel, net of wake-ups"),
    ):
        where = next((each for each in found if _both(each, key)), None)
        if where is not None:
            rows += _rows((where,), key, label)
    rows += _rows(
        shown(Question.CPU, calm), "consumer_cpu_s_per_million", "Consumer CPU per million events"
    )
    return tuple(rows)


def _decided(standing: Standing | None) -> list[_Comparisons]:
    """Return the comparisons that speak for a side, by side."""
    if standing is None:
        return []
    if standing.directions:
        return [direction.decided for direction in standing.directions]
    return [won for won in (standing.for_left, standing.for_right) if won]


def _lost(comparison: Comparison) -> float:
    sides = (comparison.left, comparison.right)
    return sum(side.own_dropped / side.own_attempted for side in sides if side.own_attempted)


def _halfway(comparison: Comparison) -> float:
    """Return the most where half was lost: where none or all was, no side can differ."""
    sides = (comparison.left, comparison.right)
    shares = [side.own_dropped / side.own_attempted for side in sides if side.own_attempted]
    return sum(share * (1 - share) for share in shares)


def _both(comparison: Comparison, key: str) -> bool:
    row = comparison.row(key)
    return row is not None and row.left is not None and row.right is not None


def _rows(comparisons: _Comparisons, key: str, label: str) -> Iterator[FirstRow]:
    for comparison in comparisons:
        row = comparison.row(key)
        if row is not None:
            yield _first(comparison, row, label)


def _first(comparison: Comparison, row: Row, label: str, counts: str = "") -> FirstRow:
    return FirstRow(
        label=label,
        left=number(row.left, row.unit),
        right=number(row.right, row.unit),
        point=point(row.estimate, row.unit),
        interval=interval(row.estimate, row.unit),
        better=better(comparison, row),
        decided=row.better != 0,
        where=place(comparison) + counts,
    )


def _order(comparisons: _Comparisons) -> Iterator[FirstRow]:
    for comparison in comparisons:
        row = comparison.row("causal_violation_share")
        if row is not None:
            left, right = (
                f"{side.causal_violations:,} of {side.causal_pairs:,}"
                for side in (comparison.left, comparison.right)
            )
            counts = f" ({left} pairs, {right})"
            yield _first(comparison, row, "Causal violations", counts)


def _disorder(comparison: Comparison) -> tuple[int, int]:
    sides = (comparison.left, comparison.right)
    return sum(side.causal_violations for side in sides), comparison.left.fewest_pairs


def _minimum(ladders: Sequence[Ladder], left: str, right: str) -> Iterator[FirstRow]:
    experiments = dict.fromkeys(ladder.experiment for ladder in ladders)
    for experiment in experiments:
        of_both = {each.transport: each for each in ladders if each.experiment == experiment}
        if left not in of_both or right not in of_both:
            continue
        least = [of_both[transport].minimum_bytes for transport in (left, right)]
        tops = [of_both[transport].rungs[-1].budget_bytes for transport in (left, right)]
        of_left, of_right = (
            size(value) if value is not None else f"above {size(top)}"
            for value, top in zip(least, tops, strict=True)
        )
        known = None not in least
        yield FirstRow(
            label="Minimum lossless budget" + (f", {experiment}" if len(experiments) > 1 else ""),
            left=of_left,
            right=of_right,
            point=f"x {number((least[0] or 0) / (least[1] or 1), Unit.TIMES)}" if known else "-",
            interval="0 of 20 storms",
            better="",
            decided=False,
            where=experiment,
        )
