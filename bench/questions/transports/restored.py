# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show order restored by sorting behind the perf buffers, in a sentence and a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.amounts import counted, time
from bench.errors import clean
from bench.judge.comparison import Comparison, Side
from bench.judge.metrics import Unit
from bench.judge.sums import OrderRestored
from bench.measure.restoring import Sorting
from bench.questions.transports.standing import Question, bears
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import name, place
from bench.report.document import NONE, Cell, Level, Row, Sentence, Table
from bench.report.table import columns, row, unwanted
from bench.report.units import number
from bench.tracer.transports import traits

_NUMBERS: Final = {
    "p50": ("+", "added_p50_ns", Unit.NS),
    "p99": ("+", "added_p99_ns", Unit.NS),
    "held": ("", "held_bytes", Unit.BYTES),
    "CPU/million": ("", "cpu_s_per_million", Unit.SECONDS),
}
_ALWAYS: Final = {Sorting.MERGE, Sorting.HEAP, Sorting.WATERMARK}
"""Ways in every journal that has any."""

HINT: Final = (
    "The same records, sorted as tracers sort them. Merge: by CPU, the records of each round "
    "of reading. Heap: with a fixed hold-back, and with the shortest that leaves no inversion, the "
    "median over trials (and the longest), which is only known afterwards. Watermark: a record "
    "waits until every CPU has sent a later one, or nothing for the hold-back. p50, p99: added "
    "latency. Held: most bytes waiting at once. CPU: of sorting alone, without timers. Left: "
    "remaining causal violations."
)


def _worst(summary: Summary) -> tuple[Comparison, dict[Sorting, OrderRestored]] | None:
    """Return the comparison in which sorting had most to repair, and the result of each way.

    Only for the transport that the decision is about.
    """
    found = []
    for each in summary.comparisons:
        left, right = each.left, each.right
        arm = (each.experiment, right.arm)
        ways = {way.by: way for way in summary.restored if (way.experiment, way.arm) == arm}
        worse = left.causal_violations < right.causal_violations
        first = left.transport == summary.standings[0].left
        if first and worse and ways.keys() >= _ALWAYS and bears(Question.ORDER, each):
            found.append((right.causal_violations / right.causal_pairs, each, ways))
    return max(found, key=lambda each: each[0])[1:] if found else None


def sentence(summary: Summary) -> Iterator[Sentence]:
    """Yield the cost of restoring the order of perf buffers, if it was violated."""
    if (found := _worst(summary)) is None:
        return
    comparison, ways = found
    heap, merge = ways[Sorting.HEAP], ways[Sorting.MERGE]
    held = "no hold-back needed"
    if heap.hold_most_ns:
        held = f"hold-back up to {time(heap.hold_most_ns)} (median {time(heap.hold_ns)})"
    yield Sentence(
        lead="Order restored",
        text=f"{name(comparison.right.transport)} sorted by a heap, {held}: "
        f"{counted(heap.causal_violations, 'violation')} in {heap.causal_pairs:,} causal pairs, at "
        f"+{time(heap.added_p50_ns)} median latency; merged by CPU without hold-back: "
        f"{merge.causal_violations:,} ({place(comparison)}).",
    )


def table(summary: Summary) -> Iterator[Table]:
    """Yield the ways to sort the least ordered arm, and the side that needs no sorting."""
    if (found := _worst(summary)) is None:
        return
    comparison, ways = found
    least = _as_delivered(comparison.right)
    yield Table(
        key="restored",
        title=f"Order restored: {least.heading.text} and sorting, {place(comparison)}",
        corner="",
        columns=columns("hold-back", *_NUMBERS, "left"),
        rows=(least, *map(_row, ways.values()), _as_delivered(comparison.left)),
        hint=HINT,
        level=Level.EVIDENCE,
    )


def _as_delivered(side: Side) -> Row:
    heading = Cell(text=clean(traits(side.transport).short), transport=side.transport)
    return row(heading, "none", *[NONE] * len(_NUMBERS), unwanted(side.causal_violations))


def _row(way: OrderRestored) -> Row:
    found = [(sign, getattr(way, key), unit) for sign, key, unit in _NUMBERS.values()]
    numbers = (Cell(text=f"{sign}{number(n, unit)}", value=n) for sign, n, unit in found)
    text = "heap, fixed" if way.by.fixed else way.by.value
    return row(f"+ {text}", _hold(way), *numbers, unwanted(way.causal_violations), under=True)


def _hold(way: OrderRestored) -> Cell:
    text = "none" if way.by is Sorting.MERGE else time(way.hold_ns)
    if way.by is Sorting.HEAP and way.hold_most_ns > way.hold_ns:
        text += f" ({time(way.hold_most_ns)})"
    return Cell(text=text, value=way.hold_ns)
