# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the columns, cells and rows of a table."""

from __future__ import annotations

from collections.abc import Iterable

from bench.judge.metrics import Unit
from bench.report.document import Cell, Column, Mark, Row
from bench.report.units import number


def columns(*headings: str, numeric: bool = True) -> tuple[Column, ...]:
    """Return columns that differ in their headings alone."""
    return tuple(Column(heading=each, numeric=numeric) for each in headings)


def quantity(value: float | None, unit: Unit = Unit.COUNT, mark: Mark = Mark.NONE) -> Cell:
    """Return the cell of a number."""
    return Cell(text=number(value, unit), value=value, mark=mark)


def unwanted(count: int) -> Cell:
    """Return the cell of a count that should be 0, marked where it is not."""
    return quantity(count, mark=Mark.OPEN if count else Mark.NONE)


def cells(*values: str | int | Cell) -> tuple[Cell, ...]:
    """Return cells of texts alone, of counts, and those that are given."""
    shown = (Cell(text=each) if isinstance(each, str) else each for each in values)
    return tuple(quantity(each) if isinstance(each, int) else each for each in shown)


def rows(found: Iterable[tuple[str, Iterable[Cell]]]) -> tuple[Row, ...]:
    """Return a row for each text, which heads it, and its cells."""
    return tuple(Row(heading=Cell(text=text), cells=tuple(cells)) for text, cells in found)
