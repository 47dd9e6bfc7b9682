# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench duet."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from typer import Argument

from bench import paths
from bench.amounts import counted, share
from bench.cli import options
from bench.cli.options import of_output, of_run, of_storm, of_tracer
from bench.cli.output import answer, read
from bench.errors import JournalError, check_range, reject
from bench.linux.cpus import usable
from bench.plan.arms import assignment, check_cpus, compose_duet, side
from bench.plan.config import TrialConfig
from bench.plan.duration import estimate_seconds
from bench.tracer.transports import find, names
from workloads.storm import Shape, Spawn, Storm

if TYPE_CHECKING:
    from bench.questions.duet.judge import Duel
    from bench.report.document import Document

_FIRST = Argument(metavar="A", help="ringbuf, ringbuf:output ...", autocompletion=names)
_SECOND = Argument(metavar="B", help="perfbuf, perfbuf:wakeup=50 ...", autocompletion=names)
_SECONDS = of_run(
    unit="s", within=(1, 86_400), help="Start no storm after this time, once 8 have run."
)
_ASSIGN = of_run(
    help="What is assigned to A or B at random: each record, a window such as 1ms, or a "
    "whole storm (solo). Repeatable; several are run in turn.  [default: record]",
    show_default=False,
    autocompletion=lambda: ("record", "solo", "1ms"),
)
_PRECISION = of_run(
    help="Add storms until intervals reach no farther than this, like 2%, and until what is "
    "undecided is settled, if the time is likely to suffice."
)
_FROM = of_run("--from", help="Judge the duets of this journal; run nothing.", metavar="FILE")
_RUNNING: Final = (
    *("first", "second", "assign", "storms", "precision", "seconds", "seed", "wait", "dry_run"),
    *("workload", "count", "rate", "budget", "output"),
)
_SHAPES: Final = frozenset({Shape.STORM, Shape.BURST, Shape.TRICKLE, Shape.THREADS, Shape.HOTCPU})


def command(
    context: typer.Context,
    *,
    first: Annotated[str, _FIRST] = "",
    second: Annotated[str, _SECOND] = "",
    assign: Annotated[list[str] | None, _ASSIGN] = None,
    workload: Annotated[Shape, of_storm(help="Shape of the storm.")] = Shape.STORM,
    count: Annotated[int, of_storm(help="Children of one storm.")] = 16_000,
    rate: Annotated[float, of_storm(help="Children a second; 0: as fast as possible.")] = 0.0,
    budget: Annotated[int, of_tracer(unit="ring", help="Data bytes of each arm.")] = 1 << 20,
    storms: Annotated[int, of_run(help="Number of storms, 8 or more.")] = 24,
    precision: Annotated[str | None, _PRECISION] = None,
    margin: Annotated[str, of_output(help="Largest equivalent difference, like 2%.")] = "2%",
    seconds: Annotated[float, _SECONDS] = 60.0,
    seed: options.Seed = 1,
    output: options.Journal = None,
    wait: options.Wait = False,
    recorded: Annotated[Path | None, _FROM] = None,
    form: options.AsFormat = "text",
    dry_run: options.DryRun = False,
) -> None:
    """Compare two arms within the same storms: which delivers sooner, and writes faster?

    The kernel passes each exit to one of the two tracers at random, so that whatever disturbs the
    machine affects both alike. An arm is a transport with its settings: ringbuf, ringbuf:output,
    ringbuf:payload=512, perfbuf:wakeup=50, sharded, sharded:rings=2 (for all CPUs),
    ringbuf:none (no wake-ups), ringbuf:forced, ringbuf:dynptr (lengths known at run time),
    ringbuf:largest (each record as long as the longest),
    ringbuf:discard (each record behind one discarded without a wake-up),
    ringbuf:position=visit (the reader publishes its position once a visit, not after each record),
    ringbuf:copy=whole (the reader copies all of a record, and reads nothing in place).
    The same arm twice (A/A) shows how much differences vary by chance. With solo, each arm has
    whole storms, as a program that uses only one; several --assign give one answer each.

    Example: bufbench duet ringbuf perfbuf --precision 2%

    Example: bufbench duet ringbuf ringbuf:output --assign 1ms --json

    Example: bufbench duet ringbuf perfbuf --assign record --assign 1ms --assign solo

    Example: bufbench duet --from results/duet-20261122-101500.jsonl --margin 1%
    """
    from bench.campaign import campaign
    from bench.cli.dry_run import show
    from bench.cli.report import page_line
    from bench.questions.duet.document import document
    from bench.questions.duet.run import FEWEST_STORMS, Until, measure
    from bench.trial.duet import require_cpus
    from workloads.generator import check

    equivalent = _share("--margin", margin)
    if recorded is not None:
        options.refuse(context, True, "with --from, which runs nothing", *_RUNNING)
        _answered(form, _recorded(recorded, equivalent))
        return
    reject(not second, "a duet has two arms", "name both, as in bufbench duet ringbuf perfbuf")
    options.refuse(context, precision is not None, "with --precision", "storms")
    here = usable()
    sides = side(first, find), side(second, find)
    check_cpus(sides, here)
    reject(
        workload not in _SHAPES,
        f"a duet of {workload} says nothing about order or latency",
        f"choose from {', '.join(sorted(_SHAPES))}",
    )
    check_range("--storms", storms, FEWEST_STORMS, 10_000)
    until = Until(
        storms=storms,
        precision=None if precision is None else _share("--precision", precision),
        seconds=seconds,
        margin=equivalent,
        seed=seed,
    )
    storm = Storm(
        shape=workload,
        count=count,
        workers=1 if workload is Shape.TRICKLE else 2,
        spawn=Spawn.FORK if workload is Shape.BURST else Spawn.VFORK,
        burst_size=min(1_000, count),
        rate_per_s=rate,
    )
    check(storm, here)
    rules = dict.fromkeys(
        options.parsed("--assign", assignment, each) for each in assign or ["record"]
    )
    experiments = [
        compose_duet(
            f"duet-{workload}" if len(rules) == 1 else f"duet-{workload}-{number}",
            "two arms within one storm",
            sides,
            TrialConfig(transport="none", budget_bytes=0, storm=storm, duet=rule),
            budget,
            blocks=storms,
            cpus=len(here),
        )
        for number, rule in enumerate(rules, 1)
    ]
    if dry_run:
        planned_s = sum(map(estimate_seconds, experiments))
        at_most_s = max(seconds, planned_s * FEWEST_STORMS / storms) + 1
        known = precision is None and planned_s <= at_most_s
        show(experiments, as_json=form == "json", known=known, at_most_s=at_most_s)
        return
    if not all(rule.solo for rule in rules):
        require_cpus(len(here))
    journal = output or paths.new_journal("duet")
    request = campaign.RunRequest(journal=journal, seed=seed, wait=wait, wakeups=False)
    with campaign.opened(request) as running:
        print(f"journal: {journal}", file=sys.stderr, flush=True)
        duels = measure(experiments, until, running, _progress)
    found = [
        document(each, duels[each.name], margin=equivalent, journal=paths.utf8(journal))
        for each in experiments
    ]
    documents = _answered(form, found)
    print(page_line(journal, *documents), file=sys.stderr)


def _recorded(journal: Path, equivalent: float) -> list[Document]:
    """Return the document of each duet in a journal. JournalError if there is none."""
    from bench.questions.duet.document import document
    from bench.questions.duet.judge import judge, recorded

    path = paths.utf8(journal)
    found = [
        document(each, judge(each, run.trials, equivalent), margin=equivalent, journal=path)
        for run in read([journal])
        for each in recorded(run)
    ]
    if not found:
        raise JournalError(f"{path} holds no duet", remedy=f"see bufbench report {path}")
    return found


def _answered(form: str, duets: Sequence[Document]) -> list[Document]:
    """Print duets and, before those of the same arms and storms, what their designs show.

    JSON is a list where there are several of other arms or storms. Return what was printed.
    """
    from bench.questions.duet.designs import designs

    groups = [
        [*group]
        for _, group in groupby(
            duets, lambda each: (each.data.first, each.data.second, each.data.workload)
        )
    ]
    for group in groups:
        if len(group) > 1:
            group.insert(0, designs([each.data for each in group]))
    data = [group[0].data for group in groups]
    documents = [*chain.from_iterable(groups)]
    answer(form, documents, data if len(data) > 1 else data[0])
    return documents


def _share(option: str, text: str) -> float:
    """Return the share that "2%" or "0.02" means; UsageError for anything else."""
    number = text.strip().removesuffix("%").strip()
    try:
        value = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        value = 0.0
    fits = 0.001 <= value <= 1
    reject(not fits, f"{option} {text[:40]} is not a share", "take 0.1% to 100%")
    return value


def _progress(found: Sequence[Duel]) -> None:
    """Show the progress on stderr, if that is a terminal."""
    if sys.stderr.isatty():
        words = (
            f"{counted(each.storms, 'storm')} ±{share(min(each.half_width, 9.99))}"
            for each in found
        )
        print(f"\r\x1b[K{'; '.join(words)}", end="", file=sys.stderr, flush=True)
