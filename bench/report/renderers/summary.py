# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render the decision in at most 40 lines of Markdown, for a job's summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bench.report.document import Document, Level, Mark, Note, Passing, Sentence, Table
from bench.report.renderers.markdown import escape, grid, statement

LINES: Final = 40
_END: Final = "All of it: the same command with `--format markdown`, or `--format html` for a page."
_FEWEST: Final = 12  # lines of a document, so that its heading is not alone
_MOST_NOTES: Final = 4
_MOST_FAILED: Final = 6


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return each document's decision, first table and quality, cut to fit."""
    end = [_END]
    if (most := (LINES - 3) // _FEWEST) < len(documents):
        end = [f"Not shown: {len(documents) - most} more of {len(documents)}.", "", _END]
    lines: list[str] = []
    shown = documents[:most]
    for after, document in zip(reversed(range(len(shown))), shown, strict=True):
        lines += _document(document, LINES - len(end) - len(lines) - after * _FEWEST)
    return "\n".join((*lines, *end)) + "\n"


def _document(document: Document, room: int) -> Iterator[str]:
    """Yield at most ``room`` lines, an empty one after each block; statements before the table."""
    title = [f"### {escape(document.title)}"]
    subject = [escape(document.subject)] if document.subject else []
    notes = _cut([*_tally(document), *_notes(document)], min(_MOST_NOTES, room // 6))
    left = room - sum(len(block) + 1 for block in (title, subject, notes) if block)
    said = _cut([*_statements(document)], left - 1)
    left -= len(said) + bool(said)
    table = next((part for part in document.parts if isinstance(part, Table)), None)
    rows = _rows(table, left - 1) if table is not None else []
    for block in filter(None, (title, subject, said, rows, notes)):
        yield from (*block, "")


def _statements(document: Document) -> Iterator[str]:
    """Yield the decisions, then the claims and gates that failed and are not named in them."""
    sentences = [part for part in document.parts if isinstance(part, Sentence)]
    decided = [each for each in sentences if each.level is Level.DECISION]
    yield from map(statement, decided)
    failed = [each for each in document.checks if each.outcome is Passing.FAILED]
    yield from _cut(
        [
            f"- **failed** {escape(f'{each.name}: {each.text}')}"
            for each in failed
            if not any(f" {one.lead}".endswith(f" {each.name}") for one in decided)
        ],
        _MOST_FAILED,
    )


def _tally(document: Document) -> Iterator[str]:
    counts = Counter(each.outcome for each in document.checks)
    if counts:
        words = ", ".join(f"{counts[each]} {each}" for each in Passing if counts[each])
        yield f"- Claims and gates: {words}"


def _notes(document: Document) -> Iterator[str]:
    for part in document.parts:
        if isinstance(part, Note) and part.mark is not Mark.SOFT:
            yield f"- {escape(part.text)}"


def _rows(table: Table, room: int) -> list[str]:
    """Return a table of at most ``room`` lines; nothing if no row would be left."""
    if room < 4:
        return []
    lines = grid(table)
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], f"| and {len(lines) - room + 1} more {'| ' * len(table.columns)}|"]


def _cut(lines: Sequence[str], room: int) -> list[str]:
    if len(lines) <= room:
        return [*lines]
    kept = lines[: max(0, room - 1)]
    return [*kept, f"- and {len(lines) - len(kept)} more"][: max(0, room)]
