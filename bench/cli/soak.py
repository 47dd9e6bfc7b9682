# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench soak."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import read_or_not
from bench.errors import GateFailed, UsageError

_MOST_MINUTES = 7 * 24 * 60


def command(
    *,
    minutes: Annotated[float, typer.Option(help="How long; a round is always finished.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the configurations; recorded.")] = 1,
    output: Annotated[
        Path | None, typer.Option(help="Journal to write; results/soak-TIME.jsonl by default.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="For another measurement to end.")] = False,
) -> None:
    """Run arbitrary trials, one after another, and say whether all balance and nothing leaks.

    Beside the journal it leaves a summary of a page (.md) and, where the extra is installed, charts
    of what was held (.html). Exit code 4 if a trial did not balance, 1 if memory, files, threads,
    BPF programs or maps grew, or if there were too few rounds to say.

    Example: bufbench soak --minutes 60 --seed 7
    """
    from bench import paths
    from bench.campaign import campaign, gates
    from bench.cli import files
    from bench.journal.reader import read_journal
    from bench.questions.soak import document as report
    from bench.questions.soak import soak
    from bench.report.renderers.markdown import render_markdown
    from bench.report.renderers.terminal import Screen, show

    if not 0 < minutes <= _MOST_MINUTES:
        raise UsageError(
            f"--minutes {minutes:g} is out of range",
            remedy=f"take more than 0, up to {_MOST_MINUTES}",
        )
    journal = output or paths.new_journal("soak")
    request = campaign.Request(journal=journal, command_line=sys.argv, seed=seed, wait=wait)
    with campaign.opened(request) as running:
        print(f"journal: {journal}", file=sys.stderr, flush=True)
        for each in soak.rounds(running, minutes=minutes, listener=lambda _: None):
            print(report.progress(each.after), file=sys.stderr, flush=True)
    run = read_journal(journal).runs[-1]
    summary = report.summarised(run)
    document = report.document(summary)
    with read_or_not():
        show(document, Screen())
    print(_written(journal, render_markdown(document)), file=sys.stderr)
    print(files.page_line(journal), file=sys.stderr)
    gates.check((), run.trials)
    if grown := [each.what for each in summary.flatness if not each.flat]:
        raise GateFailed(f"not flat over {minutes:g} minutes: {', '.join(grown)}")
    if not summary.flatness:
        raise GateFailed(
            f"{len(summary.samples)} rounds are too few to say whether anything leaks",
            remedy="take more --minutes",
        )


def _written(journal: Path, summary: str) -> str:
    """Write the summary beside the journal: one line that says where, or why there is none."""
    from bench.cli import files
    from bench.errors import BufbenchError

    try:
        return f"summary: {files.write_text(files.beside(journal, '.md'), summary)}"
    except BufbenchError as error:
        return f"summary: none, {error}"
