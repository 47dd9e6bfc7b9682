# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judged claims for a terminal, at most 100 columns wide: the table, then the reasons."""

from __future__ import annotations

from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bench.judge.claims.catalogue import Judged, Judgement
from bench.judge.claims.claim import Side
from bench.judge.claims.finding import Verdict
from bench.report.claims_words import SIGNS, figure, notes, reason, tally
from bench.report.units import clean
from bench.report.words import machine_words

WIDTH: Final = 100
_STYLES: Final = {
    Verdict.REPRODUCED: "green",
    Verdict.REFUTED: "red",
    Verdict.INCONCLUSIVE: "yellow",
}


def render_claims_text(judged: Judged, console: Console) -> None:
    """Print every verdict with what was published and measured, then why, claim by claim."""
    width = min(WIDTH, console.width)
    console.print(Text(tally(judged), style="bold"), width=width)
    for line in notes(judged):
        console.print(Text(line, style="yellow"), width=width)
    console.print(Text(machine_words(judged.machine), style="dim"), width=width)
    for side in Side:
        of_side = [each for each in judged.judgements if each.claim.side is side]
        if of_side:
            console.print(_table(side, of_side), width=width)
    for each in judged.judgements:
        _print_reason(each, console, width)


def _table(side: Side, judgements: list[Judgement]) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        title=side.value,
        title_justify="left",
    )
    table.add_column("claim", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("published", overflow="fold", max_width=28)
    table.add_column("measured (95 % interval)", overflow="fold")
    table.add_column("blocks", justify="right", no_wrap=True)
    for each in judgements:
        verdict = each.finding.verdict
        table.add_row(
            each.claim.id,
            Text(f"{SIGNS[verdict]} {verdict}", style=_STYLES.get(verdict, "dim")),
            each.claim.published,
            figure(each.finding.measured),
            str(each.finding.blocks or ""),
        )
    return table


def _print_reason(judgement: Judgement, console: Console, width: int) -> None:
    finding = judgement.finding
    head = Text(f"{judgement.claim.id}: ", style="bold")
    head.append(f"{judgement.claim.statement}. ", style="")
    head.append(f"{finding.verdict.value.capitalize()}: {reason(finding)}.", style="")
    console.print()
    console.print(head, width=width)
    lines = [clean(finding.measured.what)] if finding.measured is not None else []
    for line in (*lines, *map(clean, finding.details)):
        console.print(Padding(Text(line, style="dim"), (0, 0, 0, 2)), width=width)
