# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The tables of the report over kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from bench.judge.memory import INSTRUMENTS, Judged
from bench.judge.metrics import Unit
from bench.questions.claims import catalogue
from bench.questions.claims.claim import Finding, Verdict
from bench.questions.claims.document import MARKS, SIGNS, figure, reason
from bench.questions.kernels.curves import Curve, Point
from bench.questions.kernels.matrix import ClaimRow, Matrix, Skipped
from bench.questions.kernels.outcome import Status
from bench.questions.kernels.rows import KernelRow, Result
from bench.questions.transports.memory import cell
from bench.questions.transports.words import cpus_words
from bench.report.document import NONE, Cell, Column, Mark, Row, Table
from bench.report.units import budget, clean, number, share, size
from bench.tracer.transports import ranked

ONSET: Final = "◆"
"""Marks where a state differs from the last kernel's; of preemption, of the same flavour."""

SPOKEN: Final = {Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE}
"""Verdicts of a kernel whose trials speak to a claim."""

_SHOWN: Final = tuple(each for each in INSTRUMENTS if each.key != "locked_bytes")
"""VmLck was 0 for all of them on every kernel so far; JSON has it."""

_OF_MACHINE: Final[Mapping[str, Callable[[Result], str]]] = {
    "release": lambda found: found.machine.kernel_release,
    "machine": lambda found: (
        f"{'emulated' if found.machine.emulated else found.machine.virtualisation}, "
        f"{cpus_words(found.machine)}"
    ),
    "clock": lambda found: found.machine.clock_source,
    "trials": lambda found: f"{found.summary.trials:,}",
}


def kernels(matrix: Matrix) -> Table:
    """Tabulate each kernel, its facts, and how its run ended.

    What all of them have in common is written once, below.
    """
    columns = {  # by heading, then by kernel
        heading: {row.label: Cell(text=clean(text(result))) for row, result in matrix.measured}
        for heading, text in _OF_MACHINE.items()
    }
    for change in matrix.changes:
        columns[change.short] = {
            row.label: Cell(text=f"{clean(state or NONE)} {ONSET}", mark=Mark.NEW)
            if row.label in change.onsets
            else Cell(text=clean(state or NONE))
            for row, state in zip(matrix.rows, change.states, strict=True)
            if row.result is not None
        }
    alike = {
        heading: next(iter(cells.values())).text
        for heading, cells in columns.items()
        if len(cells) > 1 and len({cell.text for cell in cells.values()}) == 1
    }
    shown = {heading: cells for heading, cells in columns.items() if heading not in alike}
    hint = (
        "Facts are probed from BTF, tracefs and instruments, never derived from a version. "
        f"{ONSET} marks a state that differs from the kernel before (preemption: within a flavour)."
    )
    if alike:
        words = "; ".join(f"{heading} {text}" for heading, text in alike.items())
        hint += f" The same everywhere: {words}."
    return Table(
        key="kernels",
        title="Kernels, in the order of versions",
        corner="kernel",
        columns=tuple(Column(heading=heading, numeric=False) for heading in shown),
        rows=tuple(_kernel(row, shown.values()) for row in matrix.rows),
        hint=hint,
    )


def _kernel(row: KernelRow, columns: Iterable[dict[str, Cell]]) -> Row:
    ending = "" if row.status == Status.DONE else f"{row.status}: {row.reason}"
    heading = Cell(text=clean(row.label))
    if row.result is None:
        return Row(heading=heading, cells=(), reason=clean(ending or row.reason))
    return Row(
        heading=heading,
        cells=tuple(cells[row.label] for cells in columns),
        reason=clean("; ".join(filter(None, (ending, *row.notes)))),
    )


def title_of(found: Curve) -> str:
    """Return "events lost, storm at 64 KiB"."""
    where = f" at {budget(found.budget)}" if found.budget else ""
    return f"{found.what}, {clean(found.experiment)}{where}" if found.experiment else found.what


def curve(found: Curve) -> Table:
    """Tabulate one number of every kernel that has it, with intervals."""
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
                heading=Cell(text=clean(kernel)),
                cells=tuple(
                    cell
                    for series in found.series
                    for cell in _cells(found.at(kernel, series), found.unit)
                ),
            )
            for kernel in dict.fromkeys(point.kernel for point in found.points)
        ),
    )


def _cells(point: Point | None, unit: Unit) -> tuple[Cell, Cell]:
    if point is None:
        return Cell(text=NONE), Cell(text="")
    sign = "x " if unit is Unit.TIMES else ""
    note = f"{point.blocks} blocks" + (f", {point.note}" if point.note else "")
    interval = f"{number(point.low, unit)} .. {number(point.high, unit)}"
    return (
        Cell(text=f"{sign}{number(point.value, unit)}", hint=note),
        Cell(text=interval if point.blocks > 1 else NONE),
    )


def decided(matrix: Matrix) -> tuple[ClaimRow, ...]:
    """Return claims that some kernel's trials speak to, and the one over all kernels."""
    return tuple(each for each in matrix.claims if each.together or each.verdicts & SPOKEN)


def claims(matrix: Matrix) -> Table | None:
    """Tabulate claims by kernels; None where no kernel's trials speak to any."""
    shown = decided(matrix)
    if not shown:
        return None
    hint = "✓ reproduced, ✗ refuted, ? inconclusive, - not applicable or not measured."
    if others := len(matrix.claims) - len(shown):
        hint += f" {others} more are applicable on none of these kernels."
    if unasked := len(catalogue.claims()) - len(matrix.claims):
        hint += f" The catalogue's other {unasked} are not measured here: `bufbench claims` does."
    return Table(
        key="claims",
        title="Published claims on each kernel",
        corner="claim",
        columns=tuple(Column(heading=clean(row.label)) for row, _ in matrix.measured),
        rows=tuple(
            Row(
                heading=Cell(text=each.claim.id, hint=each.claim.statement),
                cells=tuple(
                    _verdict(each.together or found, together=each.together is not None)
                    for row, found in zip(matrix.rows, each.findings, strict=True)
                    if row.result is not None
                ),
                reason=f"over all kernels: {reason(each.together)}" if each.together else "",
            )
            for each in shown
        ),
        hint=hint,
    )


def _verdict(found: Finding | None, *, together: bool) -> Cell:
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
    interval = "95 % interval"
    headings = ("preemption", "when idle", interval, "beside bpf()", interval, "reported")
    return Table(
        key="missed",
        title="Exits that the kernel skipped the tracer at",
        corner="kernel",
        columns=tuple(Column(heading=heading) for heading in headings),
        rows=tuple(
            Row(
                heading=Cell(text=clean(each.kernel)),
                cells=(
                    Cell(text=clean(each.preemption)),
                    *_skipped(each.peace),
                    *_skipped(each.noise),
                    Cell(text=_reported(each.peace, each.noise)),
                ),
            )
            for each in matrix.missed
        ),
        hint="The kernel skips a tracepoint program while its CPU is inside a bpf() map operation "
        "of anybody. Nobody's transport is charged with it. Reported: fdinfo's recursion_misses, "
        "which some kernels leave at 0.",
    )


def _skipped(found: Skipped | None) -> tuple[Cell, Cell]:
    if found is None:
        return Cell(text="not run"), Cell(text="")
    return (
        Cell(
            text=share(found.missed_share),
            hint=f"{found.missed:,} of {found.reaped:,} exits in {found.trials} trials",
            mark=Mark.OPEN if found.missed else Mark.NONE,
        ),
        Cell(text=f"{share(found.low)} .. {share(found.high)}"),
    )


def _reported(*found: Skipped | None) -> str:
    known = [each for each in found if each is not None]
    reported = [each.skipped_told for each in known if each.skipped_told is not None]
    if not known or len(reported) < len(known):
        return "nothing"
    return f"{sum(reported):,} of {sum(each.missed for each in known):,}"


def memory(matrix: Matrix) -> tuple[Table, ...]:
    """Tabulate each budget: what each instrument shows of each transport and kernel."""
    found = [(row, judged) for row, result in matrix.measured for judged in result.memory]
    transports = ranked(judged.line.transport for _, judged in found)
    tables = []
    for budget_bytes in sorted({judged.line.budget_bytes for _, judged in found}):
        lines: list[Row] = []
        for transport in transports:
            place = (budget_bytes, transport)
            here = [e for e in found if (e[1].line.budget_bytes, e[1].line.transport) == place]
            lines += (_instruments(*each, begins=each is here[0]) for each in here)
        headings = ("true bytes", *(each.label for each in _SHOWN))
        table = Table(
            key=f"memory:{budget_bytes}",
            title=f"Memory at {size(budget_bytes)}, by instrument",
            corner="kernel and transport",
            columns=tuple(Column(heading=heading) for heading in headings),
            rows=tuple(lines),
            hint="✓ agrees with the true bytes: mapped (with its own formula) and fdinfo to a "
            "page, the others to a tenth. memcg and free pages are the change over 64 copies, "
            "over 64.",
        )
        tables.append(table)
    return tuple(tables)


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
