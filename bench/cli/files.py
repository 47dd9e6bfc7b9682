# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Reports that are files: the page beside its journal, and folders of charts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from bench.errors import BufbenchError, UsageError
from bench.host import ownership
from bench.journal.schema import JournalContent
from bench.questions.page import documents
from bench.questions.transports.figures.charts import figures
from bench.questions.transports.material import Material, gathered
from bench.report.converter import Converter
from bench.report.document import Figure
from bench.report.draw import whole_png, whole_svg
from bench.report.renderers.html import render_page, require_extra
from bench.report.units import clean


def beside(journal: Path, ending: str) -> Path:
    """Return the default place beside ``journal``: "x.html" beside "x.jsonl.gz"."""
    name = journal.name.removesuffix(".gz").removesuffix(".jsonl")
    return journal.with_name(f"{name}{ending}")


def write_page(journals: Sequence[Path], path: Path | None = None) -> tuple[Path, JournalContent]:
    """Write one page of all journals: its path, and what was read of them.

    MachineUnfit without the extra ``report``.
    """
    require_extra()
    target = path or beside(journals[0], ".html")
    with Converter() as converter:  # starts while journals are read
        content, places = gathered(journals)
        page = render_page(documents(content, places), converter)
    return _written(target, page.encode("utf-8")), content


def page_line(journal: Path) -> str:
    """Write the page beside ``journal``: one line that says where it lies, or why there is none."""
    try:
        path, _ = write_page([journal])
    except BufbenchError as error:
        return f"page: none, {error}"
    return f"page: {path}"


def write_charts(found: Sequence[Material], folder: Path, form: str) -> tuple[Path, ...]:
    """Write every figure as a file of ``form`` ("svg" or "png") into ``folder``."""
    require_extra()
    try:
        ownership.make_folder(folder)
    except OSError as error:
        raise _failure(folder, error) from error
    draw: Callable[..., str | bytes] = whole_png if form == "png" else whole_svg
    paths = []
    for name, title, figure in _named(found):
        drawn = draw(figure, title)
        content = drawn if isinstance(drawn, bytes) else drawn.encode("utf-8")
        paths.append(_written(folder / f"{name}.{form}", content))
    return tuple(paths)


def _named(found: Sequence[Material]) -> Iterator[tuple[str, str, Figure]]:
    for at, material in enumerate(found):
        machine = material.summary.machine
        where = clean(machine.kernel_release) if machine is not None else ""
        prefix = f"{at + 1}-" if len(found) > 1 else ""
        for figure in figures(material):
            title = f"{figure.title}, Linux {where}" if where else figure.title
            yield f"{prefix}{figure.key}", title, figure


def with_charts(markdown: str, charts: Sequence[Path], beside: Path) -> str:
    """Append the charts to ``markdown``, linked relative to the file ``beside``."""
    if not charts:
        return markdown
    lines = [f"![{chart.stem}]({quote(os.path.relpath(chart, beside.parent))})" for chart in charts]
    return "\n".join([markdown.rstrip("\n"), "", "## Charts", "", *lines, ""])


def write_text(path: Path, text: str) -> Path:
    """Write ``text``; UsageError where the file cannot be written."""
    return _written(path, text.encode("utf-8"))


def _written(path: Path, content: bytes) -> Path:
    try:
        ownership.write(path, content)
    except OSError as error:
        raise _failure(path, error) from error
    return path


def write_bytes(path: Path, content: bytes) -> Path:
    """Write ``content``; UsageError where the file cannot be written."""
    return _written(path, content)


def _failure(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be written: {error.strerror}", remedy="choose another with --output"
    )
