# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
from typer import Argument

from bench.cli.options import Full, of_output
from bench.cli.output import answer, page_in, say

_PLACES = Argument(
    help="Journals, or folders that are searched for journals at any depth.", metavar="DIR..."
)
_FORMS = click.Choice(("text", "markdown", "html", "json"))
_FORM = of_output("--format", click_type=_FORMS, help="How to write it.")
_OUTPUT = "File to write; for html, history.html in the first folder by default."


def command(
    places: Annotated[list[Path], _PLACES],
    *,
    form: Annotated[str, _FORM] = "text",
    target: Annotated[Path | None, of_output("--output", help=_OUTPUT)] = None,
    full: Full = False,
) -> None:
    """Show every number over time and kernels, and what changed beyond the noise.

    Numbers are cached beside the journals (.bufbench-history.parquet), so that only new journals
    take time. Runs are compared with runs of the same kind of machine and kernel; across kernels
    only ratios, shares and sizes are compared. docs/history.md has more.

    Example: bufbench history results --format html
    """
    from bench.questions.transports.table import require_polars
    from bench.report.renderers.html import require_extra

    require_polars()  # before anything is read
    if form == "html":
        require_extra()
    from bench.questions.history.document import document
    from bench.questions.history.judge import judge
    from bench.questions.history.reading import read

    found = document(judge(read(places, say)))
    answer(form, [found], target=target, page=page_in(places[0], "history.html"), full=full)
