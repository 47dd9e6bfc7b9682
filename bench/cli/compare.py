# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import GateFailed, JournalError
from bench.foreign import clean

if TYPE_CHECKING:
    from bench.judge.summary import Summary


def command(
    before: Annotated[Path, typer.Argument(help="Journal, or folder of journals.", metavar="A")],
    after: Annotated[Path, typer.Argument(help="The same, to hold against A.", metavar="B")],
    *,
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit 1 if something got worse.")
    ] = False,
) -> None:
    """Name what changed between two sets of journals beyond the noise.

    Last week's and today's, two machines, two kernels. Machines drift, so no time is held against
    a time of the other set: what is compared is how a transport does against the perf buffers,
    paired within blocks. Worse means worse for the transport named first.

    Example: bufbench compare results/monday.jsonl results/today.jsonl --fail-on-regression
    """
    from bench.judge.change import changes
    from bench.report.change import lines

    ours, theirs = _summaries(before), _summaries(after)
    found = changes(ours, theirs)
    for line in lines(ours, theirs, found):
        print(line)
    if fail_on_regression and found.regressions:
        raise GateFailed(f"{len(found.regressions)} numbers got worse from {before} to {after}")


def _summaries(path: Path) -> tuple[Summary, ...]:
    from bench.journal.reader import read_journals
    from bench.judge.summary import compare_journals

    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise JournalError(f"no journal in {path}", remedy="journals end in .jsonl")
    content = read_journals(files)
    for fault in content.faults:
        print(f"bufbench: {clean(str(fault))}", file=sys.stderr)
    return compare_journals(content)
