# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render tables as CSV, one line per cell: table, row, column, text, value, interval."""

from __future__ import annotations

import csv
import io
from typing import Any

from bench.errors import clean
from bench.report.document import Document, Evidence, tables

HEADER = ("table", "row", "column", "text", "value", "low", "high")


def _guarded(text: str) -> str:
    """Return ``text`` so that no spreadsheet mistakes it for a formula, control characters visible.

    Text that begins like one, or with an apostrophe, gets an apostrophe in front.
    """
    shown = clean(text)
    return f"'{shown}" if shown.startswith(("'", "=", "+", "-", "@")) else shown


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return every table of the documents, with a header."""
    memory = io.StringIO()
    writer = csv.writer(memory, lineterminator="\n")
    writer.writerow(HEADER)
    for document in documents:
        for table in tables(document.parts):
            for row in table.rows:
                found = row.evidence or Evidence()
                for column, cell in zip(table.columns, row.cells, strict=False):
                    names = (table.key, row.heading.text, column.heading, cell.text)
                    writer.writerow((*map(_guarded, names), cell.value, found.low, found.high))
    return memory.getvalue()
