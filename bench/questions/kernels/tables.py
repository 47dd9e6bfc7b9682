# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The tables of the report over kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.judge.memory import INSTRUMENTS, Judged
from bench.judge.metrics import Unit
from bench.questions.claims import catalogue
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.claims.words import MARKS, SIGNS, figure, reason
from bench.questions.kernels.curve import Curve, Point
from bench.questions.kernels.matrix import ClaimRow, Matrix
from bench.questions.kernels.missed import Skipped
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.memory import cell
from bench.report.document import NONE, Cell, Column, Mark, Row, Table
from bench.report.units import budget, clean, number, share, size
from bench.tracer.transports import ranked

_SHOWN: Final = tuple(each for each in INSTRUMENTS if each.key != "locked_bytes")
"""VmLck is 0 for all of them, on every kernel that was seen; JSON has it."""


def title_of(found: Curve) -> str:
    """Return "events lost, storm at 64 KiB"."""
    where = f" at {budget(found.budget)}" if found.budget else ""
    return f"{found.what}, {clean(found.experiment)}{where}" if found.experiment else found.what


def curve(matrix: Matrix, found: Curve) -> Table:
    """Tabulate one number of every kernel that has it, with intervals."""
    rows = dict.fromkeys(point.row for point in found.points)
    return Table(
        key=found.key,
        title=title_of(found),
        corner="kernel",
        columns=tuple(
            Column(heading=heading)
            for series in found.series
            for heading in (series, "95 % interval")
        ),
        rows=tuple(
            Row(
                heading=Cell(text=clean(matrix.rows[at].label)),
                cells=tuple(
                    cell
                    for series in found.series
                    for cell in _cells(found.at(at, series), found.unit)
                ),
            )
            for at in rows
        ),
    )


def _cells(point: Point | None, unit: Unit) -> Iterator[Cell]:
    if point is None:
        yield Cell(text=NONE)
        yield Cell(text="")
        return
    sign = "x " if unit is Unit.TIMES else ""
    note = f"{point.blocks} blocks" + (f", {point.note}" if point.note else "")
    yield Cell(text=f"{sign}{number(point.value, unit)}", hint=note)
    interval = f"{number(point.low, unit)} .. {number(point.high, unit)}"
    yield Cell(text=interval if point.blocks > 1 else NONE)


def decided(matrix: Matrix) -> tuple[ClaimRow, ...]:
    """Return claims that some kernel's trials speak to, and the one over all kernels."""
    return tuple(
        each
        for each in matrix.claims
        if each.together is not None or any(_spoken(found) for found in each.findings)
    )


def claims(matrix: Matrix) -> Table | None:
    """Tabulate claims by kernels; None where no kernel's trials speak to any."""
    shown = decided(matrix)
    if not shown:
        return None
    at = [index for index, row in enumerate(matrix.rows) if row.result is not None]
    others = len(matrix.claims) - len(shown)
    hint = "✓ reproduced, ✗ refuted, ? inconclusive, - not applicable or not measured."
    if others:
        hint += f" {others} more are applicable on none of these kernels."
    if unasked := len(catalogue.claims()) - len(matrix.claims):
        hint += f" The catalogue's other {unasked} are not measured here: `bufbench claims` does."
    return Table(
        key="claims",
        title="Published claims on each kernel",
        corner="claim",
        columns=tuple(Column(heading=clean(matrix.rows[index].label)) for index in at),
        rows=tuple(
            Row(
                heading=Cell(text=each.claim.id, hint=each.claim.statement),
                cells=tuple(
                    _verdict(each.together or each.findings[index], each.together is not None)
                    for index in at
                ),
                reason=f"over all kernels: {reason(each.together)}" if each.together else "",
            )
            for each in shown
        ),
        hint=hint,
    )


def _spoken(found: Finding | None) -> bool:
    return found is not None and found.verdict in (
        Verdict.REPRODUCED,
        Verdict.REFUTED,
        Verdict.INCONCLUSIVE,
    )


def _verdict(found: Finding | None, together: bool) -> Cell:
    if found is None:
        return Cell(text=NONE)
    words = figure(found.measured)
    hint = f"{found.verdict.value}: {reason(found)}" + (f"; {words}" if words else "")
    return Cell(
        text=SIGNS[found.verdict],
        mark=MARKS[found.verdict],
        hint=f"over all kernels, {hint}" if together else hint,
    )


def missed(matrix: Matrix) -> Table | None:
    """Tabulate the exits that the kernel skipped; None without any trial."""
    if not matrix.missed:
        return None
    return Table(
        key="missed",
        title="Exits that the kernel skipped the tracer at",
        corner="kernel",
        columns=tuple(
            Column(heading=heading)
            for heading in (
                "preemption",
                "when idle",
                "95 % interval",
                "beside bpf()",
                "95 % interval",
                "reported",
            )
        ),
        rows=tuple(
            Row(
                heading=Cell(text=clean(matrix.rows[each.row].label)),
                cells=(
                    Cell(text=clean(each.preemption)),
                    *_skipped(each.peace),
                    *_skipped(each.noise),
                    Cell(text=_told(each.peace, each.noise)),
                ),
            )
            for each in matrix.missed
        ),
        hint="The kernel skips a tracepoint program while its CPU is inside a bpf() map operation "
        "of anybody. Nobody's transport is charged with it. Reported: fdinfo's recursion_misses, "
        "which some kernels leave at 0.",
    )


def _skipped(found: Skipped | None) -> Iterator[Cell]:
    if found is None:
        yield Cell(text="not run")
        yield Cell(text="")
        return
    yield Cell(
        text=f"{share(found.share.point)}",
        hint=f"{found.missed:,} of {found.exits:,} exits in {found.trials} trials",
        mark=Mark.OPEN if found.missed else Mark.NONE,
    )
    yield Cell(text=f"{share(found.share.low)} .. {share(found.share.high)}")


def _told(*found: Skipped | None) -> str:
    known = [each.told for each in found if each is not None]
    if not known or None in known:
        return "nothing"
    told = sum(each for each in known if each is not None)
    missed_exits = sum(each.missed for each in found if each is not None)
    return f"{told:,} of {missed_exits:,}"


def memory(matrix: Matrix) -> tuple[Table, ...]:
    """Tabulate each budget: what each instrument shows of each transport and kernel."""
    budgets = sorted(
        {
            judged.line.budget_bytes
            for row in matrix.measured
            if row.result is not None
            for judged in row.result.memory
        }
    )
    return tuple(_memory(matrix, budget_bytes) for budget_bytes in budgets)


def _memory(matrix: Matrix, budget_bytes: int) -> Table:
    lines = []
    for transport in _transports(matrix):
        of_transport = [
            (row, judged)
            for row in matrix.measured
            if row.result is not None
            for judged in row.result.memory
            if (judged.line.budget_bytes, judged.line.transport) == (budget_bytes, transport)
        ]
        for at, (row, judged) in enumerate(of_transport):
            lines.append(_instruments(row, judged, begins=at == 0))
    return Table(
        key=f"memory:{budget_bytes}",
        title=f"Memory at {size(budget_bytes)}, by instrument",
        corner="kernel and transport",
        columns=tuple(
            Column(heading=heading) for heading in ("true bytes", *(each.label for each in _SHOWN))
        ),
        rows=tuple(lines),
        hint="✓ agrees with the true bytes: mapped (with its own formula) and fdinfo to a page, "
        "the others to a tenth. memcg and free pages are the change over 64 copies, over 64.",
    )


def _instruments(row: KernelRow, judged: Judged, *, begins: bool) -> Row:
    return Row(
        heading=Cell(text=f"{clean(row.label)} {clean(judged.line.transport)}"),
        cells=(
            Cell(text=number(judged.physical_bytes, Unit.BYTES)),
            *(cell(judged, each.key) for each in _SHOWN),
        ),
        reason=clean("; ".join(dict.fromkeys(judged.line.untold.values()))),
        begins=begins,
    )


def _transports(matrix: Matrix) -> tuple[str, ...]:
    return ranked(
        judged.line.transport
        for row in matrix.measured
        if row.result is not None
        for judged in row.result.memory
    )
