# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import read_or_not
from bench.errors import GateFailed, JournalError
from bench.foreign import clean

if TYPE_CHECKING:
    from bench.judge.journal_set import JournalSet

_SET = "Journal, folder of journals, or quoted pattern ('old/*.jsonl')."


def command(
    before: Annotated[str, typer.Argument(help=_SET, metavar="A")],
    after: Annotated[str, typer.Argument(help="The same, to hold against A.", metavar="B")],
    *,
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit 1 if something got worse.")
    ] = False,
) -> None:
    """Name what changed between two sets of journals beyond the noise.

    Last week's and today's, two machines, two kernels. Machines drift, so no time is held against
    a time of the other set: what is compared is how a transport does against the perf buffers,
    paired within blocks, and counts: losses, violations, lossless budgets, verdicts of claims.
    Worse means worse for the transport named first; of a claim, for the ring buffer.

    Example: bufbench compare results/monday.jsonl 'results/today-*.jsonl' --fail-on-regression
    """
    from bench.judge.difference import difference
    from bench.report.change import lines

    ours, theirs = _sets(before), _sets(after)
    found = difference(ours[0], theirs[0])
    with read_or_not():
        for line in lines(ours, theirs, found):
            print(line)
    if fail_on_regression and found.regressions:
        raise GateFailed(f"{found.regressions} got worse from {before} to {after}")


def _sets(name: str) -> tuple[JournalSet, ...]:
    from bench.journal.reader import read_journals
    from bench.judge.journal_set import journal_sets

    content = read_journals(_files(name))
    for fault in content.faults:
        print(f"bufbench: {clean(str(fault))}", file=sys.stderr)
    return journal_sets(content)


def _files(name: str) -> list[Path]:
    """What ``name`` means; a file of that very name goes before a pattern."""
    path = Path(name)
    if path.is_dir():
        files = [*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")]
    elif path.exists() or not set(name) & set("*?["):
        return [path]
    else:
        from glob import glob

        files = [Path(each) for each in glob(name)]  # noqa: PTH207  of any folder
    if not files:
        raise JournalError(f"no journal in {name}", remedy="journals end in .jsonl or .jsonl.gz")
    return sorted(files)
