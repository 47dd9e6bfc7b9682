# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from bench.cli.options import AsFormat, Full, of_output
from bench.cli.output import answer, read, say
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.questions.fleet.judge import Measured

_FILES = Argument(help="Journals of several machines, or a folder of them.", metavar="FILE...")
_OUTPUT = of_output("--output", help="File to write.", metavar="FILE")


def command(
    files: Annotated[list[Path], _FILES],
    *,
    form: AsFormat = "text",
    target: Annotated[Path | None, _OUTPUT] = None,
    full: Full = False,
) -> None:
    """Judge the journals of many machines together.

    Times of two machines never meet: what each machine found between its own two arms does, by a
    random-effects meta-analysis of every number, with the interval of the mean, the scatter between
    machines and where the next machine's value lies. Claims are counted by machine. Machines that
    are unlike the others are named, and facts (kernel, CPUs, lock ...) that go with a difference.
    Journals of one machine and kernel are one machine.

    Of a folder, what was found of each machine is kept there (.bufbench-trials) for as long as its
    journals are the same.

    Example: bufbench fleet report results/fleet --full

    Example: bufbench fleet report *.jsonl --format html --output fleet.html
    """
    from bench.questions.fleet.document import document
    from bench.questions.fleet.judge import judge

    machines = _machines(files)
    if len(machines) < 2:
        raise UsageError(
            "these journals are of one machine and kernel", remedy="use bufbench report for one"
        )
    answer(form, [document(judge(machines))], target=target, full=full)


def _machines(files: list[Path]) -> list[Measured]:
    """Return what a fleet needs of each machine; of a folder it is kept there."""
    from bench.questions.fleet.judge import Measured, of_journals

    if not any(path.is_dir() for path in files):
        return of_journals(read(files))
    if len(files) > 1:
        raise UsageError("a folder is reported alone", remedy="name one folder, or journals")
    from bench.questions.transports.table import require_polars

    require_polars()
    from bench.dataset.folder import by_machine

    keep = "fleet", tuple[Measured, ...]
    return by_machine(files[0], say, of_journals, keep)
