# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The table of kernels: what each says of itself, and how its run ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.questions.kernels.changes import Change
from bench.questions.kernels.folders import DONE
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.words import cpus_words
from bench.report.document import NONE, Cell, Column, Mark, Row, Table
from bench.report.units import clean

ONSET: Final = "◆"
"""Marks where a state differs from the last kernel's; of preemption, of the same flavour."""


def kernels(matrix: Matrix) -> Table:
    """Tabulate each kernel, its facts, and how its run ended.

    What all of them have in common stands once, below.
    """
    columns: list[tuple[str, list[Cell]]] = [
        ("release", [Cell(text=clean(row.release)) for row in matrix.measured]),
        ("machine", [Cell(text=_machine(row)) for row in matrix.measured]),
        ("clock", [Cell(text=_clock(row)) for row in matrix.measured]),
        ("trials", [Cell(text=_trials(row)) for row in matrix.measured]),
        *((change.fact.short, list(_states(matrix, change))) for change in matrix.changes),
    ]
    alike = [
        (heading, cells[0].text)
        for heading, cells in columns
        if len(cells) > 1 and len({cell.text for cell in cells}) == 1
    ]
    shown = [column for column in columns if column[0] not in dict(alike)]
    measured = iter(range(len(matrix.measured)))
    hint = (
        "Facts are probed from BTF, tracefs and instruments, never derived from a version. "
        f"{ONSET} marks a state that differs from the kernel before (preemption: within a flavour)."
    )
    if alike:
        hint += f" The same everywhere: {'; '.join(f'{name} {text}' for name, text in alike)}."
    return Table(
        key="kernels",
        title="Kernels, in the order of versions",
        corner="kernel",
        columns=tuple(Column(heading=heading, numeric=False) for heading, _ in shown),
        rows=tuple(_kernel(row, shown, measured) for row in matrix.rows),
        hint=hint,
    )


def _kernel(row: KernelRow, columns: list[tuple[str, list[Cell]]], measured: Iterator[int]) -> Row:
    ending = "" if row.status == DONE else f"{row.status}: {row.reason}"
    if row.result is None:
        return Row(
            heading=Cell(text=clean(row.label)), cells=(), reason=clean(ending or row.reason)
        )
    ending = "; ".join(filter(None, (ending, *row.notes)))
    at = next(measured)
    return Row(
        heading=Cell(text=clean(row.label)),
        cells=tuple(cells[at] for _, cells in columns),
        reason=clean(ending),
    )


def _machine(row: KernelRow) -> str:
    if row.result is None:
        return NONE
    machine = row.result.machine
    virtual = "emulated" if machine.emulated else machine.virtualisation
    return clean(f"{virtual}, {cpus_words(machine)}")


def _clock(row: KernelRow) -> str:
    return clean(row.result.machine.clock_source) if row.result is not None else NONE


def _trials(row: KernelRow) -> str:
    return f"{row.result.summary.trials:,}" if row.result is not None else NONE


def _states(matrix: Matrix, change: Change) -> Iterator[Cell]:
    for at, row in enumerate(matrix.rows):
        if row.result is None:
            continue
        state = clean(change.states[at] or NONE)
        set_in = at in change.onsets
        yield Cell(
            text=f"{state} {ONSET}" if set_in else state,
            mark=Mark.NEW if set_in else Mark.NONE,
        )
