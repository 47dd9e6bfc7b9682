# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A document as Markdown, for a README, a wiki, a pull request or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from bench.escape import clean
from bench.report.document import (
    Command,
    Definitions,
    Document,
    Fold,
    Heading,
    Level,
    Mark,
    Note,
    Part,
    Sentence,
    Table,
    untitled,
)


def escape(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is, also within a table."""
    visible = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", visible)


def render_markdown(*documents: Document, level: Level = Level.EVIDENCE) -> str:
    """Return the documents one after another; ends in a newline."""
    lines = (line for document in documents for line in _document(document, level))
    return "\n".join(lines).rstrip("\n") + "\n"


def _document(document: Document, level: Level) -> Iterator[str]:
    yield f"## {escape(document.title)}"
    yield ""
    if document.subject:
        yield escape(document.subject)
        yield ""
    yield from _parts(document.shown(level), level)


def _parts(parts: Iterable[Part], level: Level) -> Iterator[str]:
    listed = False
    for part in parts:
        if part.level > level:
            continue
        bullet = isinstance(part, Sentence) or (
            isinstance(part, Note) and part.mark is not Mark.SOFT
        )
        if listed and not bullet:
            yield ""
        listed = bullet
        yield from _part(part, level)
    if listed:
        yield ""


def _part(part: Part, level: Level) -> Iterator[str]:
    match part:
        case Sentence():
            lead = f"**{escape(part.lead)}:** " if part.lead else ""
            yield f"- {lead}{escape(part.text)}"
        case Note() if part.mark is not Mark.SOFT:
            yield f"- {escape(part.text)}"
        case Table():
            yield from _table(part)
        case Definitions():
            yield from _definitions(part)
        case Fold():
            badge = f"{escape(part.badge)}: " if part.badge else ""
            yield from _paragraphs(f"### {badge}{escape(part.summary)}", escape(part.gist))
            yield from _parts(untitled(part), level)
        case Heading():
            yield from _paragraphs(f"### {escape(part.text)}")
        case Command():
            yield from _paragraphs(f"    {clean(part.text)}")
        case Note():
            yield from _paragraphs(escape(part.text))


def _paragraphs(*texts: str) -> Iterator[str]:
    for text in filter(None, texts):
        yield text
        yield ""


def _definitions(part: Definitions) -> Iterator[str]:
    for term, texts in part.entries:
        yield f"- **{escape(term)}**"
        yield from (f"  - {escape(text)}" for text in texts)
    yield ""


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"#### {escape(table.title)}"
        yield ""
    yield _row([table.corner, *(column.heading for column in table.columns)])
    alignments = ["---:" if column.numeric else "---" for column in table.columns]
    yield f"| {' | '.join(['---', *alignments])} |"
    for row in table.rows:
        cells = [cell.text for cell in row.cells]
        if not cells:
            cells = [row.reason, *[""] * (len(table.columns) - 1)]
        yield _row([row.heading.text, *cells])
    yield ""
    notes = [row for row in table.rows if row.cells and row.reason]
    yield from (f"- {escape(row.heading.text)}: {escape(row.reason)}" for row in notes)
    if notes:
        yield ""
    if table.hint:
        yield escape(table.hint)
        yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"
