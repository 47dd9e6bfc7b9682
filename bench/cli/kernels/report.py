# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument

from bench.cli.options import AsFormat, Full, Gates, of_output
from bench.cli.output import answer, name_faults, page_in, read_or_not
from bench.errors import GateFailed

_OUTPUT = of_output("--output", help="File to write; html: report.html beside the journals.")
_MISSING = of_output("--fail-on-missing", help="Exit 1 if a kernel left no result.")
_PLACES = Argument(help="Folders of journals, or journals.", metavar="DIR...")


def command(
    places: Annotated[list[Path], _PLACES],
    *,
    form: AsFormat = "text",
    full: Full = False,
    target: Annotated[Path | None, _OUTPUT] = None,
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
    from bench.questions.kernels.document import document
    from bench.questions.kernels.folders import read_matrix
    from bench.questions.kernels.matrix import compare
    from bench.questions.kernels.outcome import Status

    checks = gates.parse(*fail_on or [])
    matrix = compare(read_matrix(places))
    name_faults(matrix.faults, matrix.repeated)
    with read_or_not():
        found = document(matrix, checks)
        answer(form, [found], target=target, page=page_in(places[0]), full=full)
    missing = [
        clean(row.label) for row in matrix.rows if row.result is None or row.status != Status.DONE
    ]
    if fail_on_missing and missing:
        raise GateFailed(f"no whole result of {', '.join(missing)}")
    gates.check_each(checks, {clean(row.label): row.trials for row in matrix.rows})
