# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Print a document on a terminal or into a pipe, at most 100 columns wide.

The console decides whether to use colour (it honours NO_COLOR). Foreign text is passed as
``Text``, never as markup, with control characters made visible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.table import Table as Grid
from rich.text import Text

from bench.errors import clean
from bench.report import document as doc
from bench.report.document import Document, Level, Mark, Part, untitled
from bench.report.units import glued

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
"""A table of text with more columns than that, and fewer rows, is transposed."""
_GAP: Final = 2  # between columns
_DOTS: Final = " .. "  # of an interval
_GLUE: Final = "\ue000"
"""Replaces the blank between a number and its unit, where no line is broken."""
_HANGING: Final = 4  # deeper than a row that explains the one above


class Screen(Console):
    """Print to standard output; off a terminal 80 columns wide.

    A closed pipe is left to the command line, like any other error: rich would exit with code 1,
    and `bufbench report FILE | head` is not a failure.
    """

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that rich has caught."""
        raise  # noqa: PLE0704  called while it is handled


def render(*documents: Document, data: Any = None, level: Level = Level.EVIDENCE) -> str:  # noqa: ARG001
    """Return the documents as standard output shows them: its width, and colour on a terminal."""
    screen = Screen()
    with screen.capture() as captured:
        for document in documents:
            show(document, screen, level=level)
    return re.sub(" +$", "", captured.get(), flags=re.MULTILINE)


def show(document: Document, console: Console, *, level: Level = Level.EVIDENCE) -> None:
    """Print the title and every part up to ``level``."""
    printer = _Printer(console, level)
    printer.line(document.title, "bold")
    printer.line(document.subject, "dim")
    printer.parts(document.parts)


class _Printer:
    """Print to a console, up to a level of detail."""

    def __init__(self, console: Console, level: Level) -> None:
        self._console = console
        self._level = level
        self._width = min(WIDTH, console.width)

    def line(self, text: str, style: str = "", indent: int = 0) -> None:
        """Print one paragraph, wrapped; nothing for an empty one."""
        if text:
            whole = Text(glued(clean(text), _GLUE), style=style)
            for line in whole.wrap(self._console, self._width - indent):
                line.plain = line.plain.replace(_GLUE, " ").rstrip()
                self._console.print(Text(" " * indent) + line)

    def parts(self, parts: Iterable[Part]) -> None:
        """Print the parts up to the level."""
        for part in parts:
            if part.level <= self._level:
                self._part(part)

    def _part(self, part: Part) -> None:
        """Print one part; figures and strips are left to renderers that can draw."""
        match part:
            case doc.Heading():
                self._console.print()
                self.line(part.text, "bold")
            case doc.Sentence():
                self.line(str(part), indent=2)
            case doc.Note():
                self.line(part.text, _STYLES[part.mark])
            case doc.Command():
                self.line(part.text, indent=2)
            case doc.Definitions():
                for term, texts in part.entries:
                    self.line(f"{term}: {'; '.join(texts)}", indent=2)
            case doc.Table():
                self._table(part)
            case doc.Fold():
                self._console.print()
                badge = f"{part.badge}: " if part.badge else ""
                self.line(f"{badge}{part.summary}", f"bold {_STYLES[part.mark]}".strip())
                self.line(part.gist, "italic")
                self.parts(untitled(part))
                for text, address in part.links:
                    whole = Text(clean(f"  {text}: {address}"), style="dim")
                    self._console.print(whole, soft_wrap=True)

    def _table(self, table: doc.Table) -> None:
        self._console.print()
        self.line(table.title, "bold")
        if any(row.cells for row in table.rows):
            self._console.print(_Unglued(_grid(table, self._width, self._console)))
        for row in table.rows:
            if row.reason:
                self.line(f"{row.heading.text}: {row.reason}", "yellow")
        self.line(table.hint, "dim")


def _text(cell: doc.Cell, under: bool = False) -> Text:
    text = glued(clean(cell.text), _GLUE)
    return Text("  " if under else "") + Text(text, style=_STYLES[cell.mark])


@dataclass(frozen=True)
class _Unglued:
    """Render a table with blanks instead of the glue, once its lines are broken."""

    grid: Grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for part in console.render(self.grid, options):
            yield Segment(part.text.replace(_GLUE, " "), part.style, part.control)


def _hanging(name: Text, width: int, console: Console) -> Text:
    """Return ``name`` with every line after the first indented, so that none looks like a row."""
    if name.cell_len <= width or width <= 2 * _HANGING:
        return name
    first, *_ = name.wrap(console, width)
    rest = name[len(first) :]
    rest.plain = rest.plain.lstrip()
    # Less where a word would not fit: a word is not broken for an indent.
    indent = max(0, min(_HANGING, width - max(map(cell_len, rest.plain.split()), default=0)))
    more = rest.wrap(console, width - indent)
    return Text("\n").join([first, *(Text(" " * indent) + line for line in more)])


def _grid(table: doc.Table, width: int, console: Console) -> Grid:
    """Return a table of at most ``width``: the widest columns are wrapped first, at blanks."""
    rows = [row for row in table.rows if row.cells]
    headings = (table.corner, *(column.heading for column in table.columns))
    lines = [[Text(clean(text)) for text in headings]]
    lines += ([_text(row.heading, row.under), *map(_text, row.cells)] for row in rows)
    numeric = [False, *(column.numeric for column in table.columns)]
    begins = [row.begins for row in rows]
    if len(table.columns) >= max(_MOST_COLUMNS, len(rows)) and not any(numeric):
        lines = [list(line) for line in zip(*lines, strict=True)]
        lines[0][0], numeric, begins = Text(), [], []
    grid = Grid(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    columns = list(zip(*lines, strict=True))
    widths = [max(text.cell_len for text in column) for column in columns]
    longest = [max(map(cell_len, " ".join(map(str, column)).split(" "))) for column in columns]
    for at, right in enumerate(numeric):
        if right:  # a number and its unit stay together: an interval breaks at its dots
            parts = (part for text in columns[at][1:] for part in str(text).split(_DOTS))
            longest[at] = max(longest[at], *map(cell_len, parts))
    longest[0] += 2  # where it is indented

    def shrinks(at: int) -> tuple[bool, bool, int]:
        slack = widths[at] > longest[at]
        return slack, not slack and at > 0, widths[at]  # never break a row's name within a word

    while sum(widths) + _GAP * (len(widths) - 1) > width and max(widths) > 1:
        widths[max(range(len(widths)), key=shrinks)] -= 1
    for heading, wide, right in zip_longest(lines[0], widths, numeric):
        grid.add_column(heading, width=wide, overflow="fold", justify="right" if right else "left")
    for (name, *cells), first in zip_longest(lines[1:], begins):
        if first:
            grid.add_section()
        grid.add_row(_hanging(name, widths[0], console), *cells)
    return grid
