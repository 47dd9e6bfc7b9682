# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Print a document on a terminal or into a pipe, at most 100 columns wide.

Whether to use colour is the console's to know (it honours NO_COLOR). Foreign text goes in as
``Text``, never as markup, and with control characters made visible.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from bench.escape import clean
from bench.report.document import (
    Cell,
    Command,
    Definitions,
    Document,
    Figures,
    Fold,
    Heading,
    Level,
    Mark,
    Note,
    Part,
    Row,
    Sentence,
    Strip,
    Table,
)

WIDTH: Final = 100
_STYLES: Final = {
    Mark.NONE: "",
    Mark.GOOD: "green",
    Mark.BAD: "red",
    Mark.OPEN: "yellow",
    Mark.SOFT: "dim",
    Mark.NEW: "bold cyan",
}
_MOST_COLUMNS: Final = 6
"""A wider table of words is turned: its rows stand in columns."""


class Screen(Console):
    """Standard output. Off a terminal it is as wide as tables get, not rich's 80 columns.

    A reader who has gone is left to the command line, as any other error: rich would end the
    program with exit code 1, and `bufbench report FILE | head` is no failure.
    """

    def __init__(self) -> None:
        super().__init__()
        if not self.is_terminal:
            self.width = WIDTH

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that rich has caught."""
        raise  # noqa: PLE0704  called while it is handled


def show(document: Document, console: Console, *, level: Level = Level.EVIDENCE) -> None:
    """Print the title and every part up to ``level``."""
    printer = _Printer(console, level)
    printer.line(document.title, "bold")
    printer.line(document.subject, "dim")
    printer.parts(document.parts)


class _Printer:
    """A console and how far to go."""

    def __init__(self, console: Console, level: Level) -> None:
        self._console = console
        self._level = level
        self._width = min(WIDTH, console.width)

    def line(self, text: str, style: str = "", indent: int = 0) -> None:
        """Print one paragraph, wrapped; nothing for an empty one."""
        if text:
            shown = Padding(Text(clean(text), style=style), (0, 0, 0, indent))
            self._console.print(shown, width=self._width)

    def parts(self, parts: Iterable[Part]) -> None:
        """Print those that are asked for."""
        for part in parts:
            if part.level <= self._level:
                self._part(part)

    def _part(self, part: Part) -> None:
        match part:
            case Heading():
                self._console.print()
                self.line(part.text, "bold")
            case Sentence():
                self.line(str(part), indent=2)
            case Note():
                self.line(part.text, _STYLES[part.mark])
            case Command():
                self.line(part.text, indent=2)
            case Definitions():
                for term, texts in part.entries:
                    self.line(f"{term}: {'; '.join(texts)}", indent=2)
            case Table():
                self._table(part)
            case Fold():
                self._console.print()
                badge = f"{part.badge}: " if part.badge else ""
                self.line(f"{badge}{part.summary}", f"bold {_STYLES[part.mark]}".strip())
                self.line(part.gist, "italic")
                self.parts(part.parts)
            case Figures() | Strip():
                pass  # drawn by renderers that can

    def _table(self, table: Table) -> None:
        self._console.print()
        self.line(table.title, "bold")
        whole = [row for row in table.rows if row.cells]
        words = not any(column.numeric for column in table.columns)
        if whole and words and len(table.columns) >= _MOST_COLUMNS:
            self._console.print(_turned(table, whole), width=self._width)
        elif whole:
            self._console.print(_grid(table, whole), width=self._width)
        for row in table.rows:
            if row.reason:
                self.line(f"{row.heading.text}: {row.reason}", "yellow")
        self.line(table.hint, "dim")


def _frame() -> Grid:
    return Grid(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _text(cell: Cell) -> Text:
    return Text(clean(cell.text), style=_STYLES[cell.mark])


def _grid(table: Table, rows: list[Row]) -> Grid:
    grid = _frame()
    grid.add_column(Text(table.corner), overflow="fold", min_width=8)
    for column in table.columns:
        if column.numeric:
            grid.add_column(Text(clean(column.heading)), justify="right", no_wrap=True)
        else:
            grid.add_column(Text(clean(column.heading)), overflow="fold")
    for row in rows:
        if row.begins:
            grid.add_section()
        heading = _text(row.heading)
        grid.add_row(Text("  ") + heading if row.under else heading, *map(_text, row.cells))
    return grid


def _turned(table: Table, rows: list[Row]) -> Grid:
    grid = _frame()
    grid.add_column("", min_width=13)
    for row in rows:
        grid.add_column(_text(row.heading), overflow="fold")
    for at, column in enumerate(table.columns):
        grid.add_row(Text(column.heading), *(_text(row.cells[at]) for row in rows))
    return grid
