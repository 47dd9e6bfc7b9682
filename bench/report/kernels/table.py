# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A table as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NONE: Final = "-"
"""Where a kernel does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Text, and what it means beyond that."""

    text: str
    mark: str = ""  # right, wrong, nothing, reproduced, refuted, inconclusive, onset ...
    hint: str = ""  # in more words


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row; a kernel without a result has a reason in place of cells."""

    heading: str
    cells: tuple[Cell, ...]
    reason: str = ""
    begins: bool = False  # a group of rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table; the first column names the rows."""

    key: str
    title: str
    corner: str
    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    numeric: bool = True  # all columns but the first
    hint: str = ""
