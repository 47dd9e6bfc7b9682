# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels for a terminal, at most 100 columns wide; the sentences first."""

from __future__ import annotations

from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from bench.judge.kernels.matrix import Matrix
from bench.report.completeness import repeats
from bench.report.kernels import sentences, tables
from bench.report.kernels.facts import ONSET
from bench.report.kernels.table import Line, Table
from bench.report.text import WIDTH

_STYLES: Final = {
    "right": "green",
    "reproduced": "green",
    "wrong": "yellow",
    "refuted": "red",
    "inconclusive": "yellow",
    "onset": "bold cyan",
}
_MOST_COLUMNS: Final = 9
"""A wider table is turned: what were rows stand in columns."""


def render_text(matrix: Matrix, console: Console) -> None:
    """Print everything; text of journals goes in as ``Text``, never as markup."""
    width = min(WIDTH, console.width)
    console.print(Text(sentences.title(matrix), style="bold"), width=width)
    for line in sentences.verdict(matrix):
        console.print(Padding(Text(line), (0, 0, 0, 2)), width=width)
    for table in tables.every(matrix):
        console.print()
        _print(table, console, width)
        if table.key == "kernels":
            _print_onsets(matrix, console, width)
    console.print()
    if any(curve.time for curve in matrix.curves):
        console.print(Text(sentences.RATIOS, style="dim"), width=width)
    for label, trial in matrix.invalid:
        why = f"invalid: {label}, {trial.experiment} {trial.arm} block {trial.block}"
        console.print(Text(f"{why}: {'; '.join(trial.reasons)}", style="yellow"), width=width)
    for line in repeats(matrix.repeated):
        console.print(Text(line, style="yellow"), width=width)
    for fault in matrix.faults:
        console.print(Text(f"journal: {fault}", style="yellow"), width=width)


def _print(table: Table, console: Console, width: int) -> None:
    console.print(Text(table.title, style="bold"), width=width)
    whole = [line for line in table.lines if line.cells]
    if len(table.headings) >= _MOST_COLUMNS and table.key == "kernels":
        console.print(_turned(table, whole), width=width)
    elif whole:
        console.print(_grid(table, whole), width=width)
    for line in table.lines:
        if line.reason:
            console.print(Text(f"{line.heading}: {line.reason}", style="yellow"), width=width)
    if table.hint:
        console.print(Text(table.hint, style="dim"), width=width)


def _frame() -> Grid:
    return Grid(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _grid(table: Table, lines: list[Line]) -> Grid:
    grid = _frame()
    grid.add_column(table.corner, no_wrap=True)
    for heading in table.headings:
        grid.add_column(heading, justify="right" if table.numeric else "left", no_wrap=True)
    for line in lines:
        if line.begins:
            grid.add_section()
        cells = (Text(cell.text, style=_STYLES.get(cell.mark, "")) for cell in line.cells)
        grid.add_row(Text(line.heading), *cells)
    return grid


def _turned(table: Table, lines: list[Line]) -> Grid:
    """Kernels side by side: what they say of themselves is too much for a line."""
    grid = _frame()
    grid.add_column("", min_width=13)
    for line in lines:
        grid.add_column(Text(line.heading), overflow="fold")
    for at, heading in enumerate(table.headings):
        cells = [line.cells[at] for line in lines]
        grid.add_row(heading, *(Text(c.text, style=_STYLES.get(c.mark, "")) for c in cells))
    return grid


def _print_onsets(matrix: Matrix, console: Console, width: int) -> None:
    found = sentences.onsets(matrix.rows, matrix.changes)
    if not found:
        return
    console.print()
    console.print(Text("What changed", style="bold"), width=width)
    for label, words in found:
        console.print(Text(f"  {ONSET} {label}"), width=width)
        for line in words:
            console.print(Padding(Text(line), (0, 0, 0, 6)), width=width)
