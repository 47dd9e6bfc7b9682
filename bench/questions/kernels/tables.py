# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The tables of the report over kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from bench.amounts import counted
from bench.judge.memory import INSTRUMENTS, Judged
from bench.judge.metrics import Unit
from bench.questions.claims import catalogue
from bench.questions.claims.claim import Finding, Verdict
from bench.questions.claims.document import MARKS, SIGNS, figure, reason
from bench.questions.kernels.curves import Curve, Point
from bench.questions.kernels.matrix import ClaimRow, Matrix, Skipped
from bench.questions.kernels.outcome import Status
from bench.questions.kernels.rows import KernelRow, Result
from bench.questions.transports.background import cell
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
    columns = tuple(Column(heading=heading, numeric=numeric) for heading in headings)
    return Table(key=key, title=title, corner=corner, columns=columns, rows=tuple(rows), hint=hint)


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
    rows = []
    for row in matrix.rows:
        ending = "" if row.status == Status.DONE else f"{row.status}: {row.reason}"
        cells: tuple[Cell, ...] = ()
        if row.result is None:
            ending = ending or row.reason
        else:
            cells = tuple(column[row.label] for column in shown.values())
            ending = "; ".join(filter(None, (ending, *row.notes)))
        rows.append(Row(heading=Cell(text=clean(row.label)), cells=cells, reason=clean(ending)))
    return _table("kernels", "Kernels, in the order of versions", shown, rows, hint, numeric=False)


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


def decided(matrix: Matrix) -> tuple[ClaimRow, ...]:
    """Return claims that some kernel's trials speak to, and the one over all kernels."""
    return tuple(each for each in matrix.claims if each.together or each.verdicts & SPOKEN)


def claims(matrix: Matrix) -> Table:
    """Tabulate claims by kernels."""
    shown = decided(matrix)
    hint = "✓ reproduced, ✗ refuted, ? inconclusive, - not applicable or not measured."
    if others := len(matrix.claims) - len(shown):
        hint += (
            f" {others} more {'is' if others == 1 else 'are'} applicable on none of these kernels."
        )
    if unasked := len(catalogue.claims()) - len(matrix.claims):
        hint += f" The catalogue's other {unasked} are not measured here: `bufbench claims` does."
    rows = (
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
    )
    headings = (clean(row.label) for row, _ in matrix.measured)
    title = "Published claims on each kernel"
    return _table("claims", title, headings, rows, hint, corner="claim")


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


def missed(matrix: Matrix) -> Table:
    """Tabulate the exits that the kernel skipped."""
    interval = "95 % interval"
    headings = ("preemption", "when idle", interval, "beside bpf()", interval, "reported")
    rows = (
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
    )
    hint = (
        "The kernel skips a tracepoint program while its CPU is inside a bpf() map operation "
        "of anybody. Nobody's transport is charged with it. Reported: fdinfo's recursion_misses, "
        "which some kernels leave at 0."
    )
    return _table("missed", "Exits that the kernel skipped the tracer at", headings, rows, hint)


def _skipped(found: Skipped | None) -> tuple[Cell, Cell]:
    if found is None:
        return Cell(text="not run"), Cell(text="")
    return (
        Cell(
            text=share(found.missed_share),
            hint=f"{found.missed:,} of {found.reaped:,} exits in {counted(found.trials, 'trial')}",
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
            Cell(text=number(judged.physical_bytes, Unit.BYTES)),
            *(cell(judged, each.key) for each in _SHOWN),
        ),
        reason=clean("; ".join(dict.fromkeys(judged.line.untold.values()))),
        begins=begins,
    )
