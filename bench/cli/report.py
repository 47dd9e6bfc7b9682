# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench report."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import name_faults
from bench.errors import UsageError
from bench.escape import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.journal.schema import JournalContent
    from bench.questions.transports.material import Place


class Output(StrEnum):
    """What a report can be written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"  # the page
    SVG = "svg"  # its charts
    PNG = "png"
    CSV = "csv"  # a row for each trial
    PARQUET = "parquet"


def command(
    files: Annotated[list[Path], typer.Argument(help="Journals.", metavar="FILE...")],
    *,
    form: Annotated[Output, typer.Option("--format", help="How to write it.")] = Output.TEXT,
    output: Annotated[
        Path | None,
        typer.Option(help="File to write (svg, png: folder); html, parquet: beside the journal."),
    ] = None,
) -> None:
    """Summarise journals: both transports side by side, and what it means.

    Lines that cannot be used are named on stderr; all others count. html is one page that needs
    nothing else; svg and png are its charts; csv and parquet have a row for each trial. Markdown
    into a file has the charts beside it.

    Example: bufbench report results/quick-20261122-101500.jsonl --format html
    """
    if form is Output.TEXT and output is not None:
        raise UsageError("text is for the terminal", remedy="redirect it, or take markdown")
    if form is Output.HTML:
        _page(files, output)
        return
    from bench.questions.transports.material import gathered

    content, places = gathered(files)
    name_faults(content)
    if form in (Output.CSV, Output.PARQUET):
        _table(content, form, output, files[0])
        return
    if form in (Output.SVG, Output.PNG):
        _drawn(content, places, form, files[0], output)
        return
    _written(content, places, form, output)


def _page(journals: list[Path], output: Path | None) -> None:
    from bench.cli.files import write_page

    path, content = write_page(journals, output)
    name_faults(content)
    print(path)


def _table(content: JournalContent, form: Output, output: Path | None, journal: Path) -> None:
    from bench.cli.files import beside, write_bytes, write_text
    from bench.questions.transports import table

    if form is Output.PARQUET:
        print(write_bytes(output or beside(journal, ".parquet"), table.parquet(content)))
    elif output is None:
        text = table.csv(content)
        # A terminal is not to be steered; whoever parses it gets it as it is.
        print(clean(text).replace("\\n", "\n") if sys.stdout.isatty() else text, end="")
    else:
        print(write_text(output, table.csv(content)))


def _drawn(
    content: JournalContent,
    places: Mapping[int, Place],
    form: Output,
    journal: Path,
    output: Path | None,
) -> None:
    from bench.cli import files
    from bench.questions.transports.material import materials

    found = materials(content, places)
    folder = output or files.beside(journal, "-charts")
    for path in files.write_charts(found, folder, form.value):
        print(path)


def _written(
    content: JournalContent, places: Mapping[int, Place], form: Output, output: Path | None
) -> None:
    from bench.questions.transports.document import document
    from bench.questions.transports.summary import compare_journals

    documents = [document(summary) for summary in compare_journals(content)]
    if form is Output.TEXT:
        from bench.report.renderers.terminal import Screen, show

        for each in documents:
            show(each, Screen())
        return
    if form is Output.JSON:
        from bench.questions.transports.data import report_of
        from bench.report.renderers.data import render_json

        text = render_json(report_of(*documents))
    else:
        from bench.report.renderers.markdown import render_markdown

        text = render_markdown(*documents)
    if output is None:
        print(text, end="")
        return
    from bench.cli import files

    if form is Output.MARKDOWN:
        from bench.questions.transports.material import materials

        folder = output.with_name(f"{output.stem}-charts")
        charts = files.write_charts(materials(content, places), folder, "svg")
        text = files.with_charts(text, charts, output)
    print(files.write_text(output, text))
