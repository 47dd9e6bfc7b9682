# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench report."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """What a report can be written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def command(
    files: Annotated[list[Path], typer.Argument(help="Journals.", metavar="FILE...")],
    *,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TEXT,
) -> None:
    """Summarise journals: both transports side by side, and what it means.

    Lines that cannot be used are named on stderr; all others count.

    Example: bufbench report results/quick-20261122-101500.jsonl --format markdown
    """
    from bench.journal.reader import read_journals
    from bench.judge.summary import compare_journals

    content = read_journals(files)
    for fault in content.faults:
        print(f"bufbench: {fault}", file=sys.stderr)
    summaries = compare_journals(content)
    if form is Format.TEXT:
        from bench.report.console import Screen
        from bench.report.text import render_text

        for summary in summaries:
            render_text(summary, Screen())
    elif form is Format.MARKDOWN:
        from bench.report.markdown import render_markdown

        print(render_markdown(*summaries))
    else:
        from bench.report.json import render_json

        print(render_json(*summaries))
