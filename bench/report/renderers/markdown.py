# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render documents as Markdown, for a README, a wiki, a pull request or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from bench.errors import clean
from bench.report import document as doc
from bench.report.document import Document, Level, Mark, Part, untitled


def escape(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is, also within a table."""
    visible = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", visible)


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return the documents one after another; ends in a newline."""
    blocks: list[str] = []
    for document in documents:
        blocks += (f"## {escape(document.title)}", escape(document.subject))
        blocks += _blocks(document.parts)
    return "\n\n".join(filter(None, blocks)) + "\n"


def _blocks(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the blocks that blank lines separate; consecutive sentences form one list."""
    items: list[str] = []
    for part in parts:
        if part.level > Level.EVIDENCE:
            continue
        if line := _item(part):
            items.append(line)
        else:
            yield "\n".join(items)
            items = []
            yield from _block(part)
    yield "\n".join(items)


def _item(part: Part) -> str:
    match part:
        case doc.Sentence():
            return statement(part)
        case doc.Note() if part.mark is not Mark.SOFT:
            return f"- {escape(part.text)}"
    return ""


def statement(sentence: doc.Sentence) -> str:
    """Return a sentence as an item of a list."""
    lead = f"**{escape(sentence.lead)}:** " if sentence.lead else ""
    return f"- {lead}{escape(sentence.text)}"


def _block(part: Part) -> Iterator[str]:
    match part:
        case doc.Table():
            yield from _table(part)
        case doc.Definitions():
            lines = []
            for term, texts in part.entries:
                lines += [f"- **{escape(term)}**", *(f"  - {escape(text)}" for text in texts)]
            yield "\n".join(lines)
        case doc.Fold():
            badge = f"{escape(part.badge)}: " if part.badge else ""
            yield f"### {badge}{escape(part.summary)}"
            yield escape(part.gist)
            yield from _blocks(untitled(part))
            yield ", ".join(f"[{escape(text)}]({address})" for text, address in part.links)
        case doc.Heading():
            yield f"### {escape(part.text)}"
        case doc.Command():
            yield f"    {clean(part.text)}"
        case doc.Note():
            yield escape(part.text)


def _table(table: doc.Table) -> Iterator[str]:
    if table.title:
        yield f"#### {escape(table.title)}"
    yield "\n".join(grid(table))
    notes = [(row.heading.text, row.reason) for row in table.rows if row.cells and row.reason]
    yield "\n".join(f"- {escape(name)}: {escape(reason)}" for name, reason in notes)
    yield escape(table.hint)


def grid(table: doc.Table) -> list[str]:
    """Return the lines of a table: its heading, a rule, and one for each row."""
    columns = table.columns
    rows = [(table.corner, *(column.heading for column in columns))]
    for row in table.rows:
        cells = [cell.text for cell in row.cells] or [row.reason, *[""] * (len(columns) - 1)]
        rows.append((row.heading.text, *cells))
    heading, *lines = [f"| {' | '.join(map(escape, cells))} |" for cells in rows]
    rule = " | ".join(("---", *("---:" if column.numeric else "---" for column in columns)))
    return [heading, f"| {rule} |", *lines]
