# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench report."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from bench.cli.output import answer, name_faults, write
from bench.errors import UsageError
from bench.escape import clean


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


_OUTPUT = "File to write (svg, png: folder); html, parquet: beside the journal."


def command(
    files: Annotated[list[Path], Argument(help="Journals.", metavar="FILE...")],
    *,
    form: Annotated[Output, Option("--format", help="How to write it.")] = Output.TEXT,
    output: Annotated[Path | None, Option(help=_OUTPUT)] = None,
) -> None:
    """Summarise journals: both transports side by side, and what it means.

    Lines that cannot be used are named on stderr; all others count. html is one page that needs
    nothing else; svg and png are its charts; csv and parquet have a row for each trial. Markdown
    into a file has the charts beside it.

    Example: bufbench report results/quick-20261122-101500.jsonl --format html
    """
    refuse_text_file(form, output)
    if form is Output.HTML:
        from bench.cli.files import write_page

        path, content = write_page(files, output)
        name_faults(content.faults, len(content.repeated))
        print(path)
        return
    from bench.questions.transports import table
    from bench.questions.transports.material import gathered, materials

    content, places = gathered(files)
    name_faults(content.faults, len(content.repeated))
    if form is Output.PARQUET:
        from bench.cli.files import beside

        print(write(output or beside(files[0], ".parquet"), table.parquet(content)))
    elif form is Output.CSV and output is not None:
        print(write(output, table.csv(content)))
    elif form is Output.CSV:
        text = table.csv(content)
        # A terminal is not to be steered; a program gets the text as it is.
        print(clean(text).replace("\\n", "\n") if sys.stdout.isatty() else text, end="")
    elif form in (Output.SVG, Output.PNG):
        from bench.cli.files import beside, write_charts

        folder = output or beside(files[0], "-charts")
        for path in write_charts(materials(content, places), folder, form.value):
            print(path)
    else:
        from bench.questions.transports.data import report_of
        from bench.questions.transports.document import document
        from bench.questions.transports.summary import compare_journals

        documents = [document(summary) for summary in compare_journals(content)]
        if form is Output.MARKDOWN and output is not None:
            from bench.cli.files import with_charts, write_charts
            from bench.report.renderers.markdown import render_markdown

            folder = output.with_name(f"{output.stem}-charts")
            charts = write_charts(materials(content, places), folder, "svg")
            print(write(output, with_charts(render_markdown(*documents), charts, output)))
        else:
            answer(form, documents, report_of(*documents), output)


def refuse_text_file(form: str, output: Path | None) -> None:
    """Raise UsageError for text that is to be written into a file."""
    if form == "text" and output is not None:
        raise UsageError("text is for the terminal", remedy="redirect it, or take markdown")
