# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the columns, cells and rows of a table."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bench.judge.metrics import Unit
from bench.report.document import Cell, Column, Mark, Row
from bench.report.units import number

Value = str | int | Cell
"""A text, a count, or a finished cell."""


def columns(
    *headings: str, numeric: bool = True, text: Collection[str] = (), verdict: str | None = None
) -> tuple[Column, ...]:
    """Return columns of numbers, or of text; those named in ``text`` always hold text.

    A last one with verdicts is headed ``verdict``.
    """
    found = (Column(heading=each, numeric=numeric and each not in text) for each in headings)
    last = () if verdict is None else (Column(heading=verdict, numeric=False, verdict=True),)
    return (*found, *last)


def quantity(value: float | None, unit: Unit = Unit.COUNT, mark: Mark = Mark.NONE) -> Cell:
    """Return the cell of a number."""
    return Cell(text=number(value, unit), value=value, mark=mark)


def unwanted(count: int) -> Cell:
    """Return the cell of a count that should be 0, marked where it is not."""
    return quantity(count, mark=Mark.OPEN if count else Mark.NONE)


def cells(*values: Value) -> tuple[Cell, ...]:
    """Return a cell for each value."""
    shown = (Cell(text=each) if isinstance(each, str) else each for each in values)
    return tuple(quantity(each) if isinstance(each, int) else each for each in shown)


def row(heading: Value, *values: Value, **traits: Any) -> Row:
    """Return a row; ``traits`` are its other fields."""
    (first,) = cells(heading)
    return Row(heading=first, cells=cells(*values), **traits)
