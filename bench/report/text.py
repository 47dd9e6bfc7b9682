# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The summary for a terminal, at most 100 columns wide; the verdict first.

Whether to use colour is the console's to know (it honours NO_COLOR). Text from journals goes in as
``Text``, never as markup, and with control characters made visible.
"""

from __future__ import annotations

from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bench.judge.comparison import Comparison, Row
from bench.judge.ladder import Ladder
from bench.judge.summary import Summary
from bench.report.sentence import name, place, sentence, verdict
from bench.report.units import budget, clean, number, share, size
from bench.report.words import LEGEND, lines, machine_words, trouble

WIDTH: Final = 100
_OVERVIEW: Final = (
    ("own_dropped_share", "dropped"),
    ("causal_violation_share", "violations"),
    ("latency_p50_ns", "p50"),
    ("latency_p99_ns", "p99"),
)


def render_text(summary: Summary, console: Console, *, details: bool = True) -> None:
    """Print ``summary``; without ``details`` only the verdict, the overview and what is wrong."""
    width = min(WIDTH, console.width)
    console.print(Text("Verdict", style="bold"), width=width)
    for line in verdict(summary):
        console.print(Padding(Text(line), (0, 0, 0, 2)), width=width)
    console.print()
    if summary.machine is not None:
        console.print(Text(machine_words(summary.machine), style="dim"), width=width)
    if summary.comparisons:
        console.print(_overview(summary), width=width)
    if details:
        for comparison in summary.comparisons:
            _print_comparison(comparison, console, width)
    for ladder in summary.ladders:
        console.print(_ladder(ladder), width=width)
    if details and summary.comparisons:
        console.print(Text(LEGEND, style="dim"), width=width)
    for line in trouble(summary):
        console.print(Text(line, style="yellow"), width=width)


def _overview(summary: Summary) -> Table:
    """Two lines a comparison, so that it fits 80 columns."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in ("experiment", "budget", "transport"):
        table.add_column(heading, no_wrap=True)
    for _, label in _OVERVIEW:
        table.add_column(label, justify="right", no_wrap=True)
    for comparison in summary.comparisons:
        cells = [_both(comparison.row(key)) for key, _ in _OVERVIEW]
        table.add_row(
            Text(clean(comparison.experiment)),
            Text(budget(comparison.budget)),
            Text(clean(comparison.left.transport)),
            *(left for left, _ in cells),
        )
        table.add_row(
            "", "", Text(clean(comparison.right.transport)), *(right for _, right in cells)
        )
    return table


def _both(row: Row | None) -> tuple[Text, Text]:
    if row is None:
        return Text("-"), Text("-")
    texts = (number(row.left, row.unit), number(row.right, row.unit))
    better = ("bold green", "") if row.better < 0 else ("", "bold green")
    styles = better if row.better else ("", "")
    return Text(texts[0], style=styles[0]), Text(texts[1], style=styles[1])


def _print_comparison(comparison: Comparison, console: Console, width: int) -> None:
    console.print()
    console.print(Text(place(comparison), style="bold"), width=width)
    console.print(_table(comparison), width=width)
    console.print(Text(sentence(comparison), style="italic"), width=width)


def _table(comparison: Comparison) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("", overflow="fold")
    names = clean(comparison.left.transport), clean(comparison.right.transport)
    for heading in (*names, "ratio or diff."):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", min_width=13, overflow="fold")
    table.add_column("better", no_wrap=True)
    for line in lines(comparison):
        if line.begins_group:
            table.add_section()
        cells = (line.label, line.left, line.right, line.point, line.interval)
        mark = Text(line.better, style="green" if line.decided else "dim")
        table.add_row(*(Text(cell) for cell in cells), mark)
    return table


def _ladder(ladder: Ladder) -> Table:
    table = Table(
        title=Text(f"Loss by budget: {name(ladder.transport)}, {clean(ladder.experiment)}"),
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for heading in ("budget", "storms that lost", "storms", "probability", "at most (95 %)"):
        table.add_column(heading, justify="right")
    for rung in ladder.rungs:
        table.add_row(
            size(rung.budget_bytes),
            str(rung.lossy),
            str(rung.trials),
            share(rung.lossy / rung.trials),
            share(rung.bound),
        )
    return table
