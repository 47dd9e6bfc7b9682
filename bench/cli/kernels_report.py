# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels report."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import read_or_not
from bench.errors import GateFailed, MachineUnfit, UsageError

if TYPE_CHECKING:
    from bench.questions.kernels.matrix import Matrix


class Output(StrEnum):
    """What a report over kernels can be written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


def command(
    places: Annotated[
        list[Path], typer.Argument(help="Folders of journals, or journals.", metavar="DIR...")
    ],
    *,
    form: Annotated[Output, typer.Option("--format", help="How to write it.")] = Output.TEXT,
    output: Annotated[
        Path | None, typer.Option(help="File to write; html: report.html beside the journals.")
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(help="Exit 1 on these on any kernel: ringbuf:causal, drops ...; repeatable."),
    ] = None,
    fail_on_missing: Annotated[
        bool, typer.Option("--fail-on-missing", help="Exit 1 if a kernel left no result.")
    ] = False,
) -> None:
    """Compare kernels: what changed between versions in drops, order, memory, latency and cost.

    Takes what `bufbench kernels run` left, and folders of journals from anywhere, such as one
    kernel each from the jobs of a CI system. A kernel without a result keeps its row, with why.
    Exit code 4 if a trial did not balance.

    Example: bufbench kernels report results/kernels-20261122-101500 --format html
    """
    from bench.campaign import gates
    from bench.questions.kernels.folders import DONE, read_matrix
    from bench.questions.kernels.matrix import compare
    from bench.questions.transports.completeness import repeats
    from bench.report.units import clean

    checks = gates.parse(*fail_on or [])
    if form is Output.TEXT and output is not None:
        raise UsageError("text is for the terminal", remedy="redirect it, or take markdown")
    entries = read_matrix(places)
    matrix = compare(entries)
    for line in (*matrix.faults, *repeats(matrix.repeated)):
        print(f"bufbench: {clean(str(line))}", file=sys.stderr)
    with read_or_not():
        _write(matrix, form, output, places[0])
    missing = [clean(row.label) for row in matrix.rows if row.result is None or row.status != DONE]
    if fail_on_missing and missing:
        raise GateFailed(f"no whole result of {', '.join(missing)}")
    gates.check_each(checks, {clean(row.label): row.trials for row in matrix.rows})


def both(folder: Path) -> None:
    """Print a run's report and write its page beside the journals, then judge the gates."""
    from bench.campaign import gates
    from bench.questions.kernels.folders import read_matrix
    from bench.questions.kernels.matrix import compare

    entries = read_matrix([folder])
    matrix = compare(entries)
    with read_or_not():
        _write(matrix, Output.TEXT, None, folder)
    try:
        with read_or_not():
            _write(matrix, Output.HTML, None, folder)
    except MachineUnfit as lack:
        print(f"page: none, {lack}", file=sys.stderr)
    gates.check((), [trial for entry in entries for trial in entry.content.trials])


def _write(matrix: Matrix, form: Output, output: Path | None, place: Path) -> None:
    from bench.questions.kernels.document import document

    if form is Output.TEXT:
        from bench.report.renderers.terminal import Screen, show

        show(document(matrix), Screen())
        return
    if form is Output.HTML:
        from bench.report.renderers.html import one_page

        folder = place if place.is_dir() else place.parent
        output = output or folder / "report.html"
        text = one_page(document(matrix))
    elif form is Output.JSON:
        from bench.report.renderers.data import render_json

        text = render_json(document(matrix).data)
    else:
        from bench.report.renderers.markdown import render_markdown

        text = render_markdown(document(matrix))
    if output is None:
        print(text, end="")
        return
    from bench.cli.files import write_text

    print(write_text(output, text))
