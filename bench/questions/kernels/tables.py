# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the tables of the report over kernels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bench.amounts import counted
from bench.judge.memory import INSTRUMENTS, Judged
from bench.judge.metrics import Unit
from bench.questions.kernels.answers import Answer, Answers
from bench.questions.kernels.changes import Change
from bench.questions.kernels.curves import Curve, Point
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.outcome import Status
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.background import cell
from bench.questions.transports.standing import LEAST_PAIRS
from bench.questions.transports.tables import columns
from bench.report.document import NONE, Cell, Mark, Row, Table
from bench.report.units import budget, clean, number, size
from bench.tracer.transports import ranked

ONSET: Final = "◆"
"""Marks where a state differs from the last kernel's; of preemption, of the same flavour."""

_SHOWN: Final = tuple(each for each in INSTRUMENTS if each.key != "locked_bytes")
"""VmLck was 0 for all of them on every kernel so far; JSON has it."""


def _table(
    key: str,
    title: str,
    headings: Iterable[str],
    rows: Iterable[Row],
    hint: str = "",
    *,
    corner: str = "kernel",
    numeric: bool = True,
) -> Table:
    headed = columns(*headings, numeric=numeric)
    return Table(key=key, title=title, corner=corner, columns=headed, rows=tuple(rows), hint=hint)


def answers(matrix: Matrix, found: Sequence[Answers]) -> Table:
    """Tabulate the answer to each question on each kernel."""
    by_kernel: dict[str, list[Cell]] = {}
    for question in found:
        for each in question.answers:
            by_kernel.setdefault(each.kernel, []).append(_answer(each))
    rows = (
        Row(
            heading=Cell(text=clean(row.label)),
            cells=tuple(by_kernel.get(row.label, ())),
            reason="" if row.result is not None else _ending(row),
        )
        for row in matrix.rows
    )
    hint = (
        "Which of the two is better, and how much it saves, least to most over the decided "
        "comparisons: of drops and order in points of the share, else in per cent of the other's. "
        f"Too few pairs: some trial had fewer than {LEAST_PAIRS:,} causal ones. "
        f"{ONSET} the answer is another than on the kernel before."
    )
    title = "Which is better on each kernel, and by how much"
    headings = (each.heading for each in found)
    return _table("answers", title, headings, rows, hint, numeric=False)


def _answer(found: Answer) -> Cell:
    if not found.changed:
        return Cell(text=found.words, hint=found.why)
    hint = f"another than on {found.changed}; {found.why}"
    return Cell(text=f"{found.words} {ONSET}", mark=Mark.NEW, hint=hint)


def _ending(row: KernelRow) -> str:
    """Say how the run of a kernel ended, if not as it should."""
    ending = "" if row.status == Status.DONE else f"{row.status}: {row.reason}"
    if row.result is None:
        return clean(ending or row.reason)
    return clean("; ".join(filter(None, (ending, *row.notes))))


def kernels(matrix: Matrix) -> Table:
    """Tabulate the facts of each kernel, and how its run ended."""
    rows = (
        Row(
            heading=Cell(text=clean(row.label)),
            cells=tuple(_state(change, row, at) for change in matrix.changes)
            if row.result is not None
            else (),
            reason=_ending(row),
        )
        for at, row in enumerate(matrix.rows)
    )
    hint = (
        "Facts are probed from BTF, tracefs and instruments, never derived from a version. "
        f"{ONSET} marks a state that differs from the kernel before (preemption: within a flavour)."
    )
    headings = (change.short for change in matrix.changes)
    return _table("kernels", "What each kernel has", headings, rows, hint, numeric=False)


def _state(change: Change, row: KernelRow, at: int) -> Cell:
    state = clean(change.states[at] or "not known")
    if row.label in change.onsets:
        return Cell(text=f"{state} {ONSET}", mark=Mark.NEW)
    return Cell(text=state)


def title_of(found: Curve) -> str:
    """Return "events lost, storm at 64 KiB"."""
    where = f" at {budget(found.budget)}" if found.budget else ""
    return f"{found.what}, {clean(found.experiment)}{where}" if found.experiment else found.what


def curve(found: Curve) -> Table:
    """Tabulate one number of every kernel that has it, with intervals."""
    headings = (heading for series in found.series for heading in (series, "95 % interval"))
    rows = (
        Row(
            heading=Cell(text=clean(kernel)),
            cells=tuple(
                cell
                for series in found.series
                for cell in _cells(found.at(kernel, series), found.unit)
            ),
        )
        for kernel in dict.fromkeys(point.kernel for point in found.points)
    )
    return _table(found.key, title_of(found), headings, rows)


def point_words(point: Point, unit: Unit, to: str = " .. ") -> tuple[str, str, str]:
    """Return a point's value, its interval and its note."""
    sign = "x " if unit is Unit.TIMES else ""
    note = counted(point.blocks, "block") + (f", {point.note}" if point.note else "")
    interval = to.join(number(bound, unit) for bound in (point.low, point.high))
    return f"{sign}{number(point.value, unit)}", interval, note


def _cells(point: Point | None, unit: Unit) -> tuple[Cell, Cell]:
    if point is None:
        return Cell(text=NONE), Cell(text="")
    value, interval, note = point_words(point, unit)
    return Cell(text=value, hint=note), Cell(text=interval if point.blocks > 1 else NONE)


def memory(matrix: Matrix) -> Iterator[Table]:
    """Tabulate each budget: what each instrument shows of each transport and kernel."""
    found = [(row, judged) for row, result in matrix.measured for judged in result.memory]
    places = {(judged.line.budget_bytes, judged.line.transport) for _, judged in found}
    for budget_bytes in sorted({budget_bytes for budget_bytes, _ in places}):
        rows: list[Row] = []
        for transport in ranked(name for _, name in places):
            place = (budget_bytes, transport)
            here = [e for e in found if (e[1].line.budget_bytes, e[1].line.transport) == place]
            rows += (_instruments(*each, begins=each is here[0]) for each in here)
        yield _table(
            f"memory:{budget_bytes}",
            f"Memory at {size(budget_bytes)}, by instrument",
            ("true bytes", *(each.label for each in _SHOWN)),
            rows,
            "✓ agrees with the true bytes: mapped (with its own formula) and fdinfo to a "
            "page, the others to a tenth. memcg and free pages are the change over 64 copies, "
            "over 64.",
            corner="kernel and transport",
        )


def _instruments(row: KernelRow, judged: Judged, *, begins: bool) -> Row:
    return Row(
        heading=Cell(text=f"{clean(row.label)} {clean(judged.line.transport)}"),
        cells=(
            Cell(text=number(judged.line.physical_bytes, Unit.BYTES)),
            *(cell(judged, each.key) for each in _SHOWN),
        ),
        reason=clean("; ".join(dict.fromkeys(judged.line.untold.values()))),
        begins=begins,
    )
