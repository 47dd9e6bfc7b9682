# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels report."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from bench.cli.options import Gates
from bench.cli.output import answer, name_faults, read_or_not
from bench.cli.report import refuse_text_file
from bench.errors import GateFailed, MachineUnfit

if TYPE_CHECKING:
    from bench.questions.kernels.matrix import Matrix


class Output(StrEnum):
    """What a report over kernels can be written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"


_OUTPUT = "File to write; html: report.html beside the journals."
_MISSING = Option("--fail-on-missing", help="Exit 1 if a kernel left no result.")


def command(
    places: Annotated[
        list[Path], Argument(help="Folders of journals, or journals.", metavar="DIR...")
    ],
    *,
    form: Annotated[Output, Option("--format", help="How to write it.")] = Output.TEXT,
    output: Annotated[Path | None, Option(help=_OUTPUT)] = None,
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
    from bench.escape import clean
    from bench.questions.kernels.folders import read_matrix
    from bench.questions.kernels.matrix import compare
    from bench.questions.kernels.outcome import Status

    checks = gates.parse(*fail_on or [])
    refuse_text_file(form, output)
    matrix = compare(read_matrix(places))
    name_faults(matrix.faults, matrix.repeated)
    with read_or_not():
        _write(matrix, form, output, places[0])
    missing = [
        clean(row.label) for row in matrix.rows if row.result is None or row.status != Status.DONE
    ]
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
    if not any(trial.ledger for row in matrix.rows for trial in row.trials):
        first = matrix.rows[0]
        raise MachineUnfit(
            f"no kernel gave a result; {first.label} {first.status}: {first.reason}",
            remedy=f"see the logs in {folder}",
        )


def _write(matrix: Matrix, form: Output, output: Path | None, place: Path) -> None:
    from bench.questions.kernels.document import document

    if form is Output.HTML and output is None:
        output = (place if place.is_dir() else place.parent) / "report.html"
    answer(form, [document(matrix)], output=output)
