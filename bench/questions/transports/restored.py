# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Order restored by sorting behind the perf buffers, as reports say and show it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from bench.judge.comparison import Comparison
from bench.judge.metrics import Unit
from bench.judge.restored import OrderRestored
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
    "The same records once more through what tracers sort by: a merge by CPU of what each round of "
    "reading brought; a heap with the least hold-back that leaves no inversion (the median over "
    "trials, and the most); queues that wait until every CPU has sent a later one, or nothing for "
    "so long. p50, p99: latency added. Held: most at once. CPU: of sorting alone, without timers. "
    "Left: causal violations."
)


class _Sorted(NamedTuple):
    """A comparison whose right side is out of order, and what sorting makes of that side."""

    comparison: Comparison
    ways: tuple[OrderRestored, ...]


def _worst(summary: Summary) -> _Sorted | None:
    """Return the comparison in which most causal pairs were violated, if its side was sorted.

    Of the first transport that was compared with the perf buffers.
    """
    found = []
    for each in summary.comparisons:
        if each.left.transport != summary.comparisons[0].left.transport:
            continue
        right = each.right
        ways = tuple(
            way
            for way in summary.restored
            if (way.experiment, way.arm) == (each.experiment, right.arm)
        )
        ahead = each.left.causal_violations < right.causal_violations
        if {way.by for way in ways} == {*Sorting} and ahead and bears(Question.ORDER, each):
            found.append(_Sorted(each, ways))
    return max(found, key=_violated, default=None)


def _violated(found: _Sorted) -> float:
    side = found.comparison.right
    return side.causal_violations / side.causal_pairs


def sentence(summary: Summary) -> Iterator[str]:
    """Yield what it takes for perf buffers to be in order, where they were not."""
    found = _worst(summary)
    if found is None:
        return
    right = found.comparison.right
    by = {way.by: way for way in found.ways}
    heap, merge = by[Sorting.HEAP], by[Sorting.MERGE]
    yield (
        f"Order restored: {name(right.transport)} with a hold-back of {time(heap.hold_ns)} (at "
        f"most {time(heap.hold_most_ns)}) and a heap: {heap.causal_violations:,} violations in "
        f"{heap.causal_pairs:,} causal pairs, at +{time(heap.added_p50_ns)} median latency; merged "
        f"by CPU without one: {merge.causal_violations:,} ({place(found.comparison)})."
    )


def table(summary: Summary) -> Iterator[Table]:
    """Yield the ways to sort what came most out of order, beside the side that need not be."""
    found = _worst(summary)
    if found is None:
        return
    left, right = found.comparison.left, found.comparison.right
    beside, short = (clean(traits(side.transport).short) for side in (left, right))
    yield Table(
        key="restored",
        title=f"Order restored: {short} and sorting, {place(found.comparison)}",
        corner="",
        columns=columns("hold-back", "p50", "p99", "held", "CPU/million", "left"),
        rows=(
            _as_delivered(short, right.transport, right.causal_violations),
            *map(_row, found.ways),
            _as_delivered(beside, left.transport, left.causal_violations),
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
