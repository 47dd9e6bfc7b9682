# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench claims."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.given import refuse
from bench.cli.options import AsFormat, Format, Journal, Seed, Wait, print_answer
from bench.cli.output import name_faults, read_or_not
from bench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.questions.claims.catalogue import Judged
    from bench.questions.claims.claim import Claim
    from bench.trial.result import TrialResult

_MOST_BLOCKS = 10_000
_MOST_MINUTES = 24 * 60.0


def command(
    context: typer.Context,
    *,
    only: Annotated[
        list[str] | None, typer.Option(help="Just this claim; may be repeated.", metavar="ID")
    ] = None,
    blocks: Annotated[
        int, typer.Option(help="Blocks of every experiment; 0: as planned, at least 8.")
    ] = 0,
    until_settled: Annotated[
        float,
        typer.Option(help="Go on for so long with what is left open.", metavar="MINUTES"),
    ] = 0.0,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="Exit 1 if it comes out otherwise; repeatable.", metavar="ID=VERDICT"),
    ] = None,
    expect_file: Annotated[
        Path | None, typer.Option(help='The same from a TOML file: rb-order = "reproduced".')
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="An inconclusive claim fails a gate too.")
    ] = False,
    journals: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Judge this journal, run nothing; repeatable."),
    ] = None,
    form: AsFormat = Format.TEXT,
    seed: Seed = 1,
    wait: Wait = False,
    output: Journal = None,
) -> None:
    """Judge the published claims about the two buffers on this machine.

    Every claim comes out as reproduced, refuted, inconclusive, not applicable or not measured, with
    the published figure, the measured one and the trials it rests on; docs/claims.md has them all.

    Exit code 0, 1 if an expected verdict failed, 4 if a trial did not balance.

    Example: bufbench claims

    Example: bufbench claims --only rb-order --expect rb-order=reproduced

    Example: bufbench claims --from results/claims-20261122-101500.jsonl --format markdown
    """
    from bench import paths
    from bench.campaign import gates
    from bench.questions.claims import expectations
    from bench.questions.claims.catalogue import chosen

    expected = {
        **(expectations.read(expect_file) if expect_file is not None else {}),
        **expectations.parse(expect or []),
    }
    claims = chosen([*only, *expected] if only else [])
    if blocks and not 1 <= blocks <= _MOST_BLOCKS:
        raise UsageError(f"{blocks} blocks are out of range", remedy=f"take 1 to {_MOST_BLOCKS}")
    if not 0 <= until_settled <= _MOST_MINUTES:
        raise UsageError(
            f"{until_settled:g} minutes are out of range", remedy=f"take 0 to {_MOST_MINUTES:g}"
        )
    if not expected:
        refuse(context, "where no verdict is expected", "strict")
    if journals:
        what_runs = ("until_settled", "output", "blocks", "seed", "wait")
        refuse(context, "with --from, which runs nothing", *what_runs)
        judged = _judged(journals, claims)
        with read_or_not():
            _show(judged, form)
        expectations.check(expected, judged, strict=strict)
        return
    journal = output or paths.new_journal("claims")
    trials = _run(claims, journal, blocks=blocks, seed=seed, settle_s=60 * until_settled, wait=wait)
    judged = _judged([journal], claims)
    with read_or_not():
        _show(judged, form)
    from bench.cli.files import page_line

    print(f"journal: {journal}", file=sys.stderr)
    print(page_line(journal), file=sys.stderr)
    gates.check((), trials)
    expectations.check(expected, judged, strict=strict)


def _run(
    claims: Sequence[Claim], journal: Path, *, blocks: int, seed: int, settle_s: float, wait: bool
) -> tuple[TrialResult, ...]:
    from bench.campaign import campaign
    from bench.linux import cpus, procfs
    from bench.plan.outline import outline
    from bench.questions.claims import plan as claims_plan
    from bench.questions.claims import run as running

    usable, page_bytes = cpus.usable(procfs.online_cpus()), os.sysconf("SC_PAGE_SIZE")
    planned = claims_plan.experiments(usable, page_bytes)
    experiments = running.needed(claims, planned)
    if not experiments:
        raise UsageError(
            "these claims need no experiment of this machine's",
            remedy="judge journals of several kernels with --from",
        )
    if blocks:
        experiments = tuple(replace(each, blocks=blocks) for each in experiments)
    request = campaign.Request(
        journal=journal,
        command_line=sys.argv,
        profile="claims",
        seed=seed,
        wait=wait,
        plan=outline(experiments, adaptive=settle_s > 0),
        left_out=running.left_out(claims, claims_plan.left_out(usable, page_bytes)),
    )
    with campaign.opened(request) as opened:
        return running.run(opened, claims, experiments, settle_s=settle_s)


def _judged(journals: Sequence[Path], claims: Sequence[Claim]) -> tuple[Judged, ...]:
    from bench.journal.reader import read_journals
    from bench.questions.claims.catalogue import judge
    from bench.questions.claims.journals import of_journals

    content = read_journals(journals)
    name_faults(content)
    return tuple(judge(evidence, claims) for evidence in of_journals(content))


def _show(judged: Sequence[Judged], form: Format) -> None:
    from bench.questions.claims.document import data_of, document

    documents = [document(each) for each in judged]
    print_answer(documents, data_of(*documents), form)
