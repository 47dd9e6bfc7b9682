# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench claims."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import (
    AsFormat,
    AsJsonForm,
    DryRun,
    Full,
    Journal,
    Seed,
    Wait,
    form_of,
    of_output,
    of_run,
    refuse,
)
from bench.cli.output import answer, read, read_or_not
from bench.cli.values import Time
from bench.errors import BufbenchError, UsageError, check_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.plan.experiments import Experiment
    from bench.questions.claims.claim import Claim
    from bench.trial.result import TrialResult

_ONLY = of_run(help="Only this claim; repeatable.", metavar="ID")
_BLOCKS = of_run(help="Blocks of each experiment; 0: as planned, at least 8.")
_SETTLED = of_run(
    click_type=Time("m"), help="Add blocks to undecided claims for so many minutes.", metavar="TIME"
)
_EXPECT = of_output(help="Exit 1 unless this is the verdict; repeatable.", metavar="ID=VERDICT")
_EXPECT_FILE = of_output(help='TOML file of expected verdicts, like rb-order = "reproduced".')
_STRICT = of_output("--strict", help="Treat an inconclusive claim as a failed expectation.")
_FROM = of_run("--from", help="Judge this journal instead of running anything; repeatable.")


def command(
    context: typer.Context,
    *,
    only: Annotated[list[str] | None, _ONLY] = None,
    blocks: Annotated[int, _BLOCKS] = 0,
    until_settled: Annotated[float, _SETTLED] = 0.0,
    expect: Annotated[list[str] | None, _EXPECT] = None,
    expect_file: Annotated[Path | None, _EXPECT_FILE] = None,
    strict: Annotated[bool, _STRICT] = False,
    journals: Annotated[list[Path] | None, _FROM] = None,
    form: AsFormat = "text",
    full: Full = False,
    as_json: AsJsonForm = False,
    seed: Seed = 1,
    wait: Wait = False,
    output: Journal = None,
    dry_run: DryRun = False,
) -> None:
    """Test published claims about the two buffers on this machine.

    The verdict on each claim is reproduced, refuted, inconclusive, not applicable or not measured,
    and comes with the published figure, the measured one and the trials behind it. docs/claims.md
    lists all claims.

    Exit code 0, 1 if a verdict was not the expected one, 4 if a trial did not balance.

    Example: bufbench claims

    Example: bufbench claims --only rb-order --expect rb-order=reproduced

    Example: bufbench claims --from results/claims-20261122-101500.jsonl --format markdown
    """
    from bench import paths
    from bench.campaign import campaign, gates
    from bench.doctor.least_privilege import by_transport, examine
    from bench.plan.experiments import outline
    from bench.questions.claims import expectations, run
    from bench.questions.claims.catalogue import chosen, judge
    from bench.questions.claims.data import data_of
    from bench.questions.claims.document import document
    from bench.questions.claims.evidence import of_journals

    form = form_of(form, as_json)
    expected = {
        **(expectations.read(expect_file) if expect_file is not None else {}),
        **expectations.parse(expect or []),
    }
    claims = chosen([*only, *expected] if only else [])
    check_range("--blocks", blocks, 0, 10_000)
    check_range("--until-settled", until_settled, 0, 24 * 60)
    if not expected:
        refuse(context, "where no verdict is expected", "strict")
    if form != "text":
        refuse(context, f"on {form}, which has all", "full")
    trials: tuple[TrialResult, ...] = ()
    journal = output or paths.new_journal("claims")
    if journals:
        what_runs = ("until_settled", "output", "blocks", "seed", "wait", "dry_run")
        refuse(context, "with --from, which runs nothing", *what_runs)
    else:
        settle_s = 60 * until_settled
        experiments, left_out = _plan(claims, blocks)
        request = campaign.Request(
            journal=journal,
            profile="claims",
            seed=seed,
            wait=wait,
            plan=outline(experiments, adaptive=settle_s > 0),
            left_out=left_out,
        )
        if dry_run:
            _show(experiments, left_out, settle_s, as_json=form == "json")
            return
        if any(each.on_capabilities for each in claims):
            request = replace(request, capabilities=by_transport([*examine()]))
        with campaign.opened(request) as opened:
            trials = run.run(opened, claims, experiments, settle_s=settle_s)
    judged = tuple(judge(each, claims) for each in of_journals(read(journals or [journal])))
    documents = [document(each, expected=expected, strict=strict) for each in judged]
    with read_or_not():
        answer(form, documents, data_of(*documents), full=full)
    if not journals:
        from bench.cli.report import page_line

        print(f"journal: {journal}", page_line(journal), sep="\n", file=sys.stderr)
        gates.check((), trials)
    expectations.check(expected, judged, strict=strict)


def _plan(claims: Sequence[Claim], blocks: int) -> tuple[tuple[Experiment, ...], tuple[str, ...]]:
    """Return the experiments to be run, and what this machine cannot run."""
    from bench.linux import cpus
    from bench.questions.claims import run
    from bench.tracer.build import Kernel

    usable, kernel = cpus.usable(), None
    with suppress(BufbenchError):  # whatever is missing, the run names it
        kernel = Kernel.by_types()
    experiments = run.needed(claims, run.experiments(usable, kernel))
    if not experiments:
        raise UsageError(
            "these claims need no experiment of this machine's",
            remedy="judge journals of several kernels with --from",
        )
    if blocks:
        experiments = tuple(replace(each, blocks=blocks) for each in experiments)
    return experiments, run.left_out(usable, claims, kernel)


def _show(
    experiments: Sequence[Experiment], left_out: Sequence[str], settle_s: float, *, as_json: bool
) -> None:
    from bench.cli import dry_run
    from bench.plan.duration import estimate_seconds

    planned_s = sum(map(estimate_seconds, experiments))
    dry_run.show(
        experiments,
        as_json=as_json,
        left_out=left_out,
        at_most_s=planned_s + settle_s if settle_s else None,
        notes=["More blocks follow of what is left open."] if settle_s else (),
    )
