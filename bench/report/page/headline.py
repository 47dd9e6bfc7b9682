# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The first screen: the verdict in a sentence, and the table of both transports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.judge.comparison import Comparison, Row
from bench.judge.ladder import Ladder
from bench.judge.metrics import Unit
from bench.judge.standing import Question, Standing
from bench.judge.summary import Summary
from bench.report.completeness import incomplete
from bench.report.sentence import name, place
from bench.report.units import interval, number, point, size
from bench.report.words import better

_WINS = {
    Question.DROPS: "drops fewer events",
    Question.ORDER: "keeps order better",
    Question.MEMORY: "takes less memory at equal budget",
    Question.LATENCY: "delivers sooner",
    Question.CPU: "costs its consumer less CPU",
}
_PLURAL = {
    Question.DROPS: "drop fewer events",
    Question.ORDER: "keep order better",
    Question.MEMORY: "take less memory at equal budget",
    Question.LATENCY: "deliver sooner",
    Question.CPU: "cost their consumer less CPU",
}
_NOUNS = {
    Question.DROPS: "drops",
    Question.ORDER: "order",
    Question.MEMORY: "memory",
    Question.LATENCY: "latency",
    Question.CPU: "CPU of the consumer",
}


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def headline(summary: Summary) -> str:
    """The verdict on the first transport compared, in one sentence; whether a run was stopped."""
    return incomplete(summary.coverage) + _headline(summary)


def _headline(summary: Summary) -> str:
    if not summary.standings:
        return "Nothing to compare: no experiment has trials of both transports."
    left, right = summary.standings[0].left, summary.standings[0].right
    asked = [each for each in summary.standings if (each.left, each.right) == (left, right)]
    parts = [
        *_winner(asked, left, lambda each: bool(each.for_left) and not each.for_right),
        *_winner(asked, right, lambda each: bool(each.for_right) and not each.for_left),
    ]
    mixed = [_NOUNS[each.question] for each in asked if each.for_left and each.for_right]
    if mixed:
        parts.append(f"it depends on the load for {_listed(mixed)}")
    undecided = [
        _NOUNS[each.question]
        for each in asked
        if each.asked and not each.for_left and not each.for_right
    ]
    if undecided:
        parts.append(f"no difference beyond the noise was seen in {_listed(undecided)}")
    if not parts:
        return "Nothing could be decided from these trials."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _winner(
    standings: Sequence[Standing], transport: str, won: Callable[[Standing], bool]
) -> Iterator[str]:
    words = _PLURAL if name(transport).endswith("s") else _WINS
    found = [words[each.question] for each in standings if won(each)]
    if found:
        yield f"{name(transport)} {_listed(found)}"


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
    """Each number from the comparison that says most of it, which is named.

    Drops where the loss is nearest to half; order where most was violated; the others
    where nothing was lost, if there is such a place, in the experiment that stands first.
    """
    found = summary.comparisons
    if not found:
        return ()
    first = found[0]
    found = tuple(
        each
        for each in found
        if (each.left.transport, each.right.transport)
        == (first.left.transport, first.right.transport)
    )
    undecided = max(found, key=_halfway)
    calm = next((each for each in found if _lost(each) == 0), first)
    rows = [
        *_row(undecided, "dropped", "Events lost"),
        *_order(found),
        *_minimum(summary.ladders, first.left.transport, first.right.transport),
        *_row(calm, "physical_bytes", "Memory, true bytes"),
        *_row(calm, "latency_p50_ns", "Latency p50"),
        *_row(calm, "latency_p99_ns", "Latency p99"),
        *_row(calm, "latency_p999_ns", "Latency p99.9"),
    ]
    for key, label in (
        ("kernel_ns_per_run", "In the kernel, per exit"),
        ("kernel_net_ns_per_run", "In the kernel, net of wake-ups"),
    ):
        where = next((each for each in found if _both(each, key)), None)
        if where is not None:
            rows += _row(where, key, label)
    rows += _row(calm, "consumer_cpu_s_per_million", "Consumer CPU per million events")
    return tuple(rows)


def _lost(comparison: Comparison) -> float:
    sides = (comparison.left, comparison.right)
    return sum(side.dropped / side.attempted for side in sides if side.attempted)


def _halfway(comparison: Comparison) -> float:
    """Largest where half was lost: where nothing or all was, transports cannot differ."""
    sides = (comparison.left, comparison.right)
    shares = [side.dropped / side.attempted for side in sides if side.attempted]
    return sum(share * (1 - share) for share in shares)


def _both(comparison: Comparison, key: str) -> bool:
    row = comparison.row(key)
    return row is not None and row.left is not None and row.right is not None


def _row(comparison: Comparison, key: str, label: str) -> Iterator[FirstRow]:
    row = comparison.row(key)
    if row is not None:
        yield _first(
            comparison, row, label, number(row.left, row.unit), number(row.right, row.unit)
        )


def _first(comparison: Comparison, row: Row, label: str, left: str, right: str) -> FirstRow:
    return FirstRow(
        label=label,
        left=left,
        right=right,
        point=point(row.estimate, row.unit),
        interval=interval(row.estimate, row.unit),
        better=better(comparison, row),
        decided=row.better != 0,
        where=place(comparison),
    )


def _order(found: Sequence[Comparison]) -> Iterator[FirstRow]:
    comparison = max(found, key=_disorder)
    row = comparison.row("causal_violations")
    if row is None:
        return
    sides = (comparison.left, comparison.right)
    left, right = (f"{side.causal_violations:,} of {side.causal_pairs:,}" for side in sides)
    yield _first(comparison, row, "Causal violations", left, right)


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
        ours, theirs = (
            size(value) if value is not None else f"above {size(top)}"
            for value, top in zip(least, tops, strict=True)
        )
        known = None not in least
        yield FirstRow(
            label="Minimum lossless budget" + (f", {experiment}" if len(experiments) > 1 else ""),
            left=ours,
            right=theirs,
            point=f"x {number((least[0] or 0) / (least[1] or 1), Unit.TIMES)}" if known else "-",
            interval="0 of 20 storms",
            better="",
            decided=False,
            where=experiment,
        )
