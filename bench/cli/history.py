# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
from typer import Argument

from bench.cli.options import AsJsonForm, Full, form_of, of_output
from bench.cli.output import answer, say
from bench.cli.report import refuse_text_file
from bench.errors import UsageError, clean

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
    as_json: AsJsonForm = False,
    output: Annotated[Path | None, of_output(help=_OUTPUT)] = None,
    full: Full = False,
) -> None:
    """Show every number over time and kernels, and what changed beyond the noise.

    Numbers are cached beside the journals (.bufbench-history.parquet), so that only new journals
    take time. Runs are compared with runs of the same kind of machine and kernel; across kernels
    only ratios, shares and sizes are compared. docs/history.md has more.

    Example: bufbench history results --format html
    """
    form = form_of(form, as_json)
    refuse_text_file(form, output)
    if full and form != "text":
        raise UsageError(f"--full has no effect on {form}, which has all", remedy="leave it out")
    from bench.questions.transports.table import require_polars
    from bench.report.renderers.html import require_extra

    require_polars()  # before anything is read
    if form == "html":
        require_extra()
    from bench.questions.history.document import document
    from bench.questions.history.judge import judge
    from bench.questions.history.reading import read

    numbers = read(places, lambda line: say(clean(line)))
    found = document(judge(numbers))
    if form == "html" and output is None:
        place = places[0]
        output = (place if place.is_dir() else place.parent) / "history.html"
    answer(form, [found], output=output, full=full)
