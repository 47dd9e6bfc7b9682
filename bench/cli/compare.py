# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument

from bench.amounts import counted
from bench.cli.options import AsFormat, of_output
from bench.cli.output import answer, read, say
from bench.errors import GateFailed, JournalError, clean, reject

if TYPE_CHECKING:
    from bench.linux.machine import Machine

_SET = "Journal, folder of journals, or quoted pattern ('old/*.jsonl')."
_FAIL = of_output(
    "--fail-on-regression", help="Exit 1 if something got worse, or nothing could be compared."
)


def command(
    before: Annotated[str, Argument(help=_SET, metavar="A")],
    after: Annotated[str, Argument(help="The same, to compare with A.", metavar="B")],
    *,
    form: AsFormat = "text",
    fail_on_regression: Annotated[bool, _FAIL] = False,
) -> None:
    """Show what changed between two sets of journals beyond the noise.

    The sets may come from two days, two machines or two kernels. Machines drift, so times of one
    set are not compared with times of the other. It compares each transport's ratios to the perf
    buffers, paired within blocks, and counts: losses, violations, lossless budgets, verdicts of
    claims. Worse means worse for the transport named first; for a claim, worse for the ring buffer.
    Runs on one machine that could not use the same CPUs are refused.

    Example: bufbench compare results/monday.jsonl 'results/today-*.jsonl' --fail-on-regression
    """
    from bench.journal.distinct import without
    from bench.questions.change.difference import difference
    from bench.questions.change.document import document
    from bench.questions.change.journal_set import journal_sets

    old, new = read(_files(before)), read(_files(after))
    fresh = without(new, old)
    if shared := len(new.trials) - len(fresh.trials):
        if not fresh.trials:
            raise JournalError(
                f"{after} holds no trial that {before} does not hold: nothing can have changed",
                remedy="name journals of two runs",
            )
        say(f"{counted(shared, 'trial is', 'trials are')} in A and in B; A has them")
    first, second = journal_sets(old), journal_sets(fresh)
    machines = first[0].summary.machine, second[0].summary.machine
    _check_cpus(*machines)
    held = [machine.idle_held for machine in machines if machine and machine.idle_held is not None]
    if len({*held}) > 1:
        say("idle CPUs were kept shallow in one of A and B only: latencies differ by that, too")
    found = difference(first[0], second[0])
    answer(form, [document(first, second, found)])
    if fail_on_regression and found.regressions:
        raise GateFailed(f"{found.regressions} got worse from {before} to {after}")
    if fail_on_regression and not found.compared_numbers + found.compared_counts:
        raise GateFailed(
            f"no regression was measured: {before} and {after} have nothing in common to compare",
            remedy="run the same experiments in both, in 8 blocks or more",
        )


def _check_cpus(before: Machine | None, after: Machine | None) -> None:
    """Raise UsageError for runs of one machine that could not use the same CPUs."""
    if before is None or after is None or not (before.usable_cpus and after.usable_cpus):
        return  # not recorded
    from bench.questions.transports.words import cpus_words

    one = (before.hostname, before.online_cpus) == (after.hostname, after.online_cpus)
    first, second = cpus_words(before), cpus_words(after)
    reject(
        one and first != second,
        f"A used {clean(first)} and B {clean(second)}, on one machine: what differs is that",
        "run both with the same affinity, cpuset and quota",
    )


def _files(name: str) -> list[Path]:
    """Return the files that ``name`` matches; a file of that name precedes a pattern."""
    reject(not name, "a set of journals is empty", "name a file, a folder or a pattern")
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
