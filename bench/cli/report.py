# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench report, and write the page of other commands beside their journals."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from typer import Argument

from bench.cli.options import INTO_FOLDERS, Full, format_option, of_output
from bench.cli.output import answer, name_faults, say, writable, write
from bench.errors import BufbenchError, JournalError, clean

if TYPE_CHECKING:
    from bench.journal.schema import JournalContent
    from bench.questions.page import OfMachine
    from bench.questions.transports.summary import Summary
    from bench.report.document import Document

_OUTPUT = "File to write (svg, png: folder); html and parquet: beside the journal by default."
_COMPARED_ONLY = ("text", "markdown", "json")
"""Formats of a report without claims, which `bufbench claims` writes in them."""


def command(
    files: Annotated[
        list[Path], Argument(help="Journals, or a folder of them.", metavar="FILE...")
    ],
    *,
    form: Annotated[str, format_option(*INTO_FOLDERS, "parquet")] = "text",
    target: Annotated[Path | None, of_output("--output", help=_OUTPUT)] = None,
    full: Full = False,
) -> None:
    """Summarise journals: which transport to use, and the numbers behind it.

    Lines that cannot be used are listed on stderr; all others count. html is one self-contained
    page; svg and png are its charts; csv and parquet have a row for each trial. Markdown that is
    written to a file has the charts beside it.

    summary is at most 40 lines of Markdown, for the summary of a CI job. github-benchmark and
    github-benchmark-bigger are the lists of github-action-benchmark, of numbers for which smaller
    or bigger is better; bmf is Bencher's format, openmetrics is for node_exporter, ktap has claims
    and gates as kernel test output. docs/ci.md has more.

    Example: bufbench report results/quick-20261122-101500.jsonl --format html
    """
    if len(files) == 1 and files[0].is_dir() and form in (*_COMPARED_ONLY, "html"):
        _folder(files[0], form, target, full=full)
        return
    files = _in_folders(files)
    if form == "html":
        path, content = write_page(files, target)
        name_faults(content.faults, len(content.repeated))
        print(path)
    else:
        _journals(files, form, target, full=full)


def _journals(files: Sequence[Path], form: str, target: Path | None, *, full: bool) -> None:
    from bench.questions.page import documents as with_claims
    from bench.questions.transports import table
    from bench.questions.transports.document import document, report_of
    from bench.questions.transports.summary import compare_journals, gathered
    from bench.report.renderers import markdown

    content, places = gathered(files)
    name_faults(content.faults, len(content.repeated))
    if form == "parquet":
        print(write(target or _beside(files[0], ".parquet"), table.parquet(content)))
    elif form == "csv":
        text = table.csv(content)
        if target is None and sys.stdout.isatty():  # which control characters could steer
            text = clean(text).replace("\\n", "\n")
        print(text, end="") if target is None else print(write(target, text))
    elif form in INTO_FOLDERS:
        folder = target or _beside(files[0], "-charts")
        for path in write_charts(compare_journals(content), folder, form):
            print(path)
    elif form not in _COMPARED_ONLY:
        answer(form, with_claims(content, places), target=target)
    else:
        summaries = compare_journals(content)
        documents = [*map(document, summaries)]
        if form == "markdown" and target is not None:
            folder = target.with_name(f"{target.stem}-charts")
            charts = write_charts(summaries, folder, "svg")
            print(write(target, with_charts(markdown.render(*documents), charts, target)))
        else:
            answer(form, documents, report_of(*documents), target, full=full)


def _folder(folder: Path, form: str, target: Path | None, *, full: bool) -> None:
    """Report on a folder from its data set, machine by machine."""
    from bench.questions.transports.table import require_polars

    require_polars()
    from bench.dataset.folder import by_machine
    from bench.questions.page import together
    from bench.questions.transports.document import report_of

    if form == "html":
        with _drawing() as drawn:
            page = drawn(together(by_machine(folder, say, _on_a_page, here=True)))
        print(write(target or folder / "report.html", page))
    else:
        documents = by_machine(folder, say, _compared)
        answer(form, documents, report_of(*documents), target, full=full)


def _compared(content: JournalContent) -> list[Document]:
    """Return the report of one machine's journals; also called in other processes."""
    from bench.questions.transports.document import document
    from bench.questions.transports.summary import compare_journals

    name_faults((), len(content.repeated))
    return [*map(document, compare_journals(content))]


def _on_a_page(content: JournalContent) -> list[OfMachine]:
    from bench.questions.page import by_machine

    name_faults((), len(content.repeated))
    found = by_machine(content, {})
    return [(name, tuple(map(_with_figures, documents))) for name, documents in found]


def _with_figures(document: Document) -> Document:
    """Make the figures now: their data may be gone when they are drawn."""
    from bench.report.document import Figures

    made = (
        replace(part, make=partial(tuple, [*part.make()])) if isinstance(part, Figures) else part
        for part in document.parts
    )
    return replace(document, parts=tuple(made))


def _in_folders(places: Sequence[Path]) -> list[Path]:
    """Return journals, including those in folders and below. JournalError if there is none."""
    from bench.journal.files import below

    found = [
        path for place in places for path in (below(place, say) if place.is_dir() else [place])
    ]
    if not found:
        raise JournalError(f"no journal in {places[0]}", remedy="journals end in .jsonl, .jsonl.gz")
    return found


def _beside(journal: Path, ending: str) -> Path:
    """Return the default place beside ``journal``: "x.html" beside "x.jsonl.gz"."""
    name = journal.name.removesuffix(".gz").removesuffix(".jsonl")
    return journal.with_name(f"{name}{ending}")


def write_page(journals: Sequence[Path], path: Path | None = None) -> tuple[Path, JournalContent]:
    """Write one page of all journals; return its path and their content.

    MachineUnfit without the extra ``report``.
    """
    from bench.questions.page import documents
    from bench.questions.transports.summary import gathered

    with _drawing() as drawn:
        content, places = gathered(journals)
        page = drawn(documents(content, places))
    return write(path or _beside(journals[0], ".html"), page), content


@contextmanager
def _drawing() -> Iterator[Callable[[Sequence[Document]], str]]:
    """Yield a function that makes a page of documents; it starts while these are made."""
    from bench.report.converter import Converter
    from bench.report.renderers.html import render_page, require_extra

    require_extra()
    with Converter() as converter:
        yield lambda documents: render_page(documents, converter)


def page_line(journal: Path, *documents: Document) -> str:
    """Write the page beside ``journal``, of these documents or, without any, of its trials.

    Return a line with its path, or why there is none.
    """
    try:
        if not documents:
            return f"page: {write_page([journal])[0]}"
        with _drawing() as drawn:
            return f"page: {write(_beside(journal, '.html'), drawn(documents))}"
    except BufbenchError as error:
        return f"page: none, {error}"


def write_charts(found: Sequence[Summary], folder: Path, form: str) -> tuple[Path, ...]:
    """Write every figure as a file of ``form`` ("svg" or "png") into ``folder``."""
    from bench.host import ownership
    from bench.questions.transports.figures import figures
    from bench.report.draw import drawn
    from bench.report.renderers.html import require_extra

    require_extra()
    with writable(folder):
        ownership.make_folder(folder)
    paths = []
    for at, summary in enumerate(found, 1):
        machine = summary.machine
        release = clean(machine.kernel_release) if machine is not None else ""
        where = f", Linux {release}" if release else ""
        prefix = f"{at}-" if len(found) > 1 else ""
        for figure in figures(summary):
            path = folder / f"{prefix}{figure.key}.{form}"
            paths.append(write(path, drawn(figure, f"{figure.title}{where}", form)))
    return tuple(paths)


def with_charts(markdown: str, charts: Sequence[Path], beside: Path) -> str:
    """Append the charts to ``markdown``, linked relative to the file ``beside``."""
    if not charts:
        return markdown
    lines = [f"![{chart.stem}]({quote(os.path.relpath(chart, beside.parent))})" for chart in charts]
    return "\n".join([markdown.rstrip("\n"), "", "## Charts", "", *lines, ""])
