# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench claims."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench import paths
from bench.cli import options
from bench.cli.options import of_output, of_run, parsed, refuse
from bench.cli.output import answer, read
from bench.errors import BufbenchError, reject
from bench.linux.cpus import usable
from bench.plan.experiments import Experiment

if TYPE_CHECKING:
    from bench.questions.claims.claim import Claim
    from bench.trial.result import TrialResult


def _ids() -> list[str]:
    from bench.questions.claims.catalogue import claims

    return [each.id for each in claims()]


_ONLY = of_run(help="Only this claim; repeatable.", metavar="ID", autocompletion=_ids)
_RUNNING = ("until_settled", "output", "blocks", "seed", "wait", "dry_run")
_BLOCKS = of_run(within=(0, 10_000), help="Blocks of each experiment; 0: as planned, at least 8.")
_SETTLED = of_run(
    unit="m",
    within=(0, 24 * 60),
    help="Add blocks to undecided claims for this many minutes: quicker than planning more, but "
    "verdicts are then wrong somewhat more often than their p-values say.",
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
    form: options.AsFormat = "text",
    full: options.Full = False,
    seed: options.Seed = 1,
    wait: options.Wait = False,
    output: options.Journal = None,
    dry_run: options.DryRun = False,
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
    from bench.campaign import campaign, gates
    from bench.cli.dry_run import show
    from bench.cli.report import page_line
    from bench.doctor.least_privilege import by_transport, examine
    from bench.plan.experiments import outline
    from bench.questions.claims import expectations, run
    from bench.questions.claims.catalogue import chosen, judge
    from bench.questions.claims.document import data_of, document
    from bench.questions.claims.evidence import of_journals

    filed = {} if expect_file is None else parsed("--expect-file", expectations.read, expect_file)
    expected = {**filed, **parsed("--expect", expectations.parse, expect or [])}
    claims = parsed("--only", chosen, [*only, *expected] if only else [])
    refuse(context, not expected, "where no verdict is expected", "strict")
    trials: tuple[TrialResult, ...] = ()
    journal = output or paths.new_journal("claims")
    refuse(context, bool(journals), "with --from, which runs nothing", *_RUNNING)
    if not journals:
        settle_s = 60 * until_settled
        experiments, left_out = _plan(claims, blocks)
        request = campaign.RunRequest(
            journal=journal,
            profile="claims",
            seed=seed,
            wait=wait,
            plan=outline(experiments, adaptive=settle_s > 0),
            left_out=left_out,
        )
        if dry_run:
            as_json = form == "json"
            show(experiments, as_json=as_json, left_out=left_out, more_s=settle_s)
            return
        if any(each.on_capabilities for each in claims):
            request = replace(request, capabilities=lambda: by_transport([*examine()]))
        with campaign.opened(request) as opened:
            trials = run.run(opened, claims, experiments, settle_s=settle_s)
    judged = tuple(judge(each, claims) for each in of_journals(read(journals or [journal])))
    documents = [document(each, expected=expected, strict=strict) for each in judged]
    answer(form, documents, data_of(*documents), full=full)
    if not journals:
        print(f"journal: {journal}", page_line(journal), sep="\n", file=sys.stderr)
        gates.check((), trials)
    expectations.check(expected, judged, strict=strict)


def _plan(claims: Sequence[Claim], blocks: int) -> tuple[tuple[Experiment, ...], tuple[str, ...]]:
    """Return the experiments to be run, and what this machine cannot run."""
    from bench.questions.claims import run
    from bench.tracer.build import Kernel

    here, kernel = usable(), None
    with suppress(BufbenchError):  # the run names what is missing
        kernel = Kernel.by_types()
    experiments = run.needed(claims, run.experiments(here, kernel))
    reject(
        not experiments,
        "these claims need no experiment on this machine",
        "judge journals of several kernels with --from",
    )
    if blocks:
        experiments = tuple(replace(each, blocks=blocks) for each in experiments)
    return experiments, run.left_out(here, claims, kernel)
