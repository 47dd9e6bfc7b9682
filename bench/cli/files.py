# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Reports that are files: the page beside its journal, and folders of charts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from bench.cli.output import writable, write
from bench.errors import BufbenchError
from bench.escape import clean
from bench.host import ownership
from bench.journal.schema import JournalContent
from bench.questions.page import documents
from bench.questions.transports.figures.charts import figures
from bench.questions.transports.material import Material, gathered
from bench.report.converter import Converter
from bench.report.draw import drawn
from bench.report.renderers.html import render_page, require_extra


def beside(journal: Path, ending: str) -> Path:
    """Return the default place beside ``journal``: "x.html" beside "x.jsonl.gz"."""
    name = journal.name.removesuffix(".gz").removesuffix(".jsonl")
    return journal.with_name(f"{name}{ending}")


def write_page(journals: Sequence[Path], path: Path | None = None) -> tuple[Path, JournalContent]:
    """Write one page of all journals: its path, and what was read of them.

    MachineUnfit without the extra ``report``.
    """
    require_extra()
    with Converter() as converter:  # starts while journals are read
        content, places = gathered(journals)
        page = render_page(documents(content, places), converter)
    return write(path or beside(journals[0], ".html"), page), content


def page_line(journal: Path) -> str:
    """Write the page beside ``journal``: one line that says where it lies, or why there is none."""
    try:
        return f"page: {write_page([journal])[0]}"
    except BufbenchError as error:
        return f"page: none, {error}"


def write_charts(found: Sequence[Material], folder: Path, form: str) -> tuple[Path, ...]:
    """Write every figure as a file of ``form`` ("svg" or "png") into ``folder``."""
    require_extra()
    with writable(folder):
        ownership.make_folder(folder)
    paths = []
    for at, material in enumerate(found, 1):
        machine = material.summary.machine
        release = clean(machine.kernel_release) if machine is not None else ""
        where = f", Linux {release}" if release else ""
        prefix = f"{at}-" if len(found) > 1 else ""
        for figure in figures(material):
            path = folder / f"{prefix}{figure.key}.{form}"
            paths.append(write(path, drawn(figure, f"{figure.title}{where}", form)))
    return tuple(paths)


def with_charts(markdown: str, charts: Sequence[Path], beside: Path) -> str:
    """Append the charts to ``markdown``, linked relative to the file ``beside``."""
    if not charts:
        return markdown
    lines = [f"![{chart.stem}]({quote(os.path.relpath(chart, beside.parent))})" for chart in charts]
    return "\n".join([markdown.rstrip("\n"), "", "## Charts", "", *lines, ""])
