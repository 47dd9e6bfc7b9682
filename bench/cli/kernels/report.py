# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument

from bench.cli.options import (
    AsFormat,
    AsJsonForm,
    Full,
    Gates,
    form_of,
    of_output,
    refuse,
)
from bench.cli.output import answer, name_faults, read_or_not
from bench.cli.report import refuse_text_file
from bench.errors import GateFailed

if TYPE_CHECKING:
    from bench.campaign.gates import Gate
    from bench.questions.kernels.matrix import Matrix

_OUTPUT = of_output(help="File to write; html: report.html beside the journals.")
_MISSING = of_output("--fail-on-missing", help="Exit 1 if a kernel left no result.")
_PLACES = Argument(help="Folders of journals, or journals.", metavar="DIR...")


def command(
    context: typer.Context,
    places: Annotated[list[Path], _PLACES],
    *,
    form: AsFormat = "text",
    full: Full = False,
    as_json: AsJsonForm = False,
    output: Annotated[Path | None, _OUTPUT] = None,
    fail_on: Gates = None,
    fail_on_missing: Annotated[bool, _MISSING] = False,
) -> None:
    """Compare kernels: what changed between versions in drops, order, memory, latency and cost.

    Takes what `bufbench kernels run` left, and folders of journals from anywhere, such as one
    kernel each from the jobs of a CI system. A kernel without a result keeps its row, with why.
    Gates have to hold on every kernel. Exit code 4 if a trial did not balance.

    Example: bufbench kernels report results/kernels-20261122-101500 --format html
    """
    from bench.campaign import gates
    from bench.errors import clean
    from bench.questions.kernels.folders import read_matrix
    from bench.questions.kernels.matrix import compare
    from bench.questions.kernels.outcome import Status

    form = form_of(form, as_json)
    checks = gates.parse(*fail_on or [])
    refuse_text_file(form, output)
    if form != "text":
        refuse(context, f"on {form}, which has all", "full")
    matrix = compare(read_matrix(places))
    name_faults(matrix.faults, matrix.repeated)
    with read_or_not():
        show(matrix, form, output, places[0], full=full, gates=checks)
    missing = [
        clean(row.label) for row in matrix.rows if row.result is None or row.status != Status.DONE
    ]
    if fail_on_missing and missing:
        raise GateFailed(f"no whole result of {', '.join(missing)}")
    gates.check_each(checks, {clean(row.label): row.trials for row in matrix.rows})


def show(
    matrix: Matrix,
    form: str,
    output: Path | None,
    place: Path,
    *,
    full: bool = False,
    gates: Sequence[Gate] = (),
) -> None:
    """Print the report, or write it: a page beside the journals."""
    from bench.questions.kernels.document import document

    if form == "html" and output is None:
        output = (place if place.is_dir() else place.parent) / "report.html"
    answer(form, [document(matrix, gates)], output=output, full=full)
