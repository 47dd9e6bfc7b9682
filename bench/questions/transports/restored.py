# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Order restored by sorting behind the perf buffers: its sentence and its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.judge.comparison import Comparison
from bench.judge.metrics import Unit
from bench.judge.sums import OrderRestored
from bench.measure.restoring import Sorting
from bench.questions.transports.standing import Question, bears
from bench.questions.transports.summary import Summary
from bench.questions.transports.tables import columns
from bench.questions.transports.words import name, place
from bench.report.document import NONE, Cell, Mark, Row, Table
from bench.report.units import clean, number, size, time
from bench.tracer.transports import traits

_WAYS: Final = {
    Sorting.MERGE: "+ merge",
    Sorting.HEAP: "+ heap",
    Sorting.WATERMARK: "+ watermark",
}
HINT: Final = (
    "The same records, sorted as tracers sort them. Merge: by CPU, what each round of reading "
    "brought. Heap: with the shortest hold-back that leaves no inversion, the median over trials "
    "(and the longest). Watermark: a record waits until every CPU has sent a later one, or nothing "
    "for the hold-back. p50, p99: added latency. Held: most bytes waiting at once. CPU: of sorting "
    "alone, without timers. Left: remaining causal violations."
)


def _worst(summary: Summary) -> tuple[Comparison, dict[Sorting, OrderRestored]] | None:
    """Return the comparison in which sorting had most to repair, and what each way made of it.

    Of the first transport that was compared with the perf buffers.
    """
    found = []
    for each in summary.comparisons:
        left, right = each.left, each.right
        ways = {
            way.by: way
            for way in summary.restored
            if (way.experiment, way.arm) == (each.experiment, right.arm)
        }
        worse = left.causal_violations < right.causal_violations
        first = left.transport == summary.comparisons[0].left.transport
        if first and worse and ways.keys() == {*Sorting} and bears(Question.ORDER, each):
            found.append((right.causal_violations / right.causal_pairs, each, ways))
    return max(found, key=lambda each: each[0])[1:] if found else None


def sentence(summary: Summary) -> Iterator[str]:
    """Yield what it takes to put perf buffers in order, where they were not."""
    if (found := _worst(summary)) is None:
        return
    comparison, ways = found
    heap, merge = ways[Sorting.HEAP], ways[Sorting.MERGE]
    yield (
        f"Order restored: {name(comparison.right.transport)} with a heap that holds records back "
        f"for up to {time(heap.hold_most_ns)} (median over trials: {time(heap.hold_ns)}): "
        f"{heap.causal_violations:,} violations in {heap.causal_pairs:,} causal pairs, at "
        f"+{time(heap.added_p50_ns)} median latency; merged by CPU without holding back: "
        f"{merge.causal_violations:,} ({place(comparison)})."
    )


def table(summary: Summary) -> Iterator[Table]:
    """Yield the ways to sort the least ordered arm, and the side that needs no sorting."""
    if (found := _worst(summary)) is None:
        return
    comparison, ways = found
    left, right = comparison.left, comparison.right
    other, short = (clean(traits(side.transport).short) for side in (left, right))
    yield Table(
        key="restored",
        title=f"Order restored: {short} and sorting, {place(comparison)}",
        corner="",
        columns=columns("hold-back", "p50", "p99", "held", "CPU/million", "left"),
        rows=(
            _as_delivered(short, right.transport, right.causal_violations),
            *map(_row, ways.values()),
            _as_delivered(other, left.transport, left.causal_violations),
        ),
        hint=HINT,
    )


def _as_delivered(label: str, transport: str, violations: int) -> Row:
    return Row(
        heading=Cell(text=label, transport=transport),
        cells=(Cell(text="none"), *[Cell(text=NONE)] * 4, _left(violations)),
    )


def _row(way: OrderRestored) -> Row:
    return Row(
        heading=Cell(text=_WAYS[way.by]),
        cells=(
            _hold(way),
            Cell(text=f"+{time(way.added_p50_ns)}", value=way.added_p50_ns),
            Cell(text=f"+{time(way.added_p99_ns)}", value=way.added_p99_ns),
            Cell(text=size(round(way.held_bytes)), value=way.held_bytes),
            Cell(text=number(way.cpu_s_per_million, Unit.SECONDS), value=way.cpu_s_per_million),
            _left(way.causal_violations),
        ),
        under=True,
    )


def _hold(way: OrderRestored) -> Cell:
    if way.by is Sorting.MERGE:
        return Cell(text="none", value=0)
    text = time(way.hold_ns)
    if way.by is Sorting.HEAP and way.hold_most_ns > way.hold_ns:
        text += f" ({time(way.hold_most_ns)})"
    return Cell(text=text, value=way.hold_ns)


def _left(violations: int) -> Cell:
    mark = Mark.OPEN if violations else Mark.NONE
    return Cell(text=f"{violations:,}", value=violations, mark=mark)
