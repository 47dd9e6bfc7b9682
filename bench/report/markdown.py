# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The summary as Markdown, for a README, a wiki or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.judge.comparison import Comparison
from bench.judge.ladder import Ladder
from bench.judge.summary import Summary
from bench.report.sentence import name, place, sentence, verdict
from bench.report.units import budget, clean, number, share, size
from bench.report.words import LEGEND, lines, machine_words, trouble


def escape(text: str) -> str:
    """``text`` so that Markdown shows it as it is, also within a table."""
    visible = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", visible)


def render_markdown(*summaries: Summary) -> str:
    """The summaries one after another, each of one machine."""
    return "\n".join(line for summary in summaries for line in _lines(summary)) + "\n"


def _lines(summary: Summary) -> Iterator[str]:
    yield "## Verdict"
    yield ""
    for line in verdict(summary):
        yield f"- {escape(line)}"
    yield ""
    if summary.machine is not None:
        yield escape(machine_words(summary.machine))
        yield ""
    if summary.comparisons:
        yield from _overview(summary.comparisons)
    for comparison in summary.comparisons:
        yield from _comparison(comparison)
    for ladder in summary.ladders:
        yield from _ladder(ladder)
    if summary.comparisons:
        yield escape(LEGEND)
        yield ""
    troubles = trouble(summary)
    if troubles:
        yield "### Left out or disturbed"
        yield ""
        yield from (f"- {escape(line)}" for line in troubles)
        yield ""


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table whose first column is text and whose other columns are numbers."""
    yield "| " + " | ".join(escape(heading) for heading in headings) + " |"
    yield "|" + "|".join(["---", *["---:"] * (len(headings) - 1)]) + "|"
    for row in rows:
        yield "| " + " | ".join(escape(cell) for cell in row) + " |"
    yield ""


def _overview(comparisons: Sequence[Comparison]) -> Iterator[str]:
    left, right = comparisons[0].left.transport, comparisons[0].right.transport
    shown = (("own_dropped_share", "dropped"), ("latency_p50_ns", "p50"), ("latency_p99_ns", "p99"))
    headings = ["experiment", "budget"]
    for heading in (*(label for _, label in shown), "causal violations"):
        headings += [f"{heading}, {left}", right]
    rows: list[list[str]] = []
    for comparison in comparisons:
        cells = [comparison.experiment, budget(comparison.budget)]
        for key, _ in shown:
            row = comparison.row(key)
            cells += (
                ["-", "-"]
                if row is None
                else [
                    number(row.left, row.unit),
                    number(row.right, row.unit),
                ]
            )
        cells += [
            f"{side.causal_violations:,} of {side.causal_pairs:,}" if side.causal_pairs else "-"
            for side in (comparison.left, comparison.right)
        ]
        rows.append(cells)
    yield from _table(headings, rows)


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield f"### {escape(place(comparison))}"
    yield ""
    yield escape(sentence(comparison))
    yield ""
    headings = ["", comparison.left.transport, comparison.right.transport]
    rows = [
        [line.label.strip(), line.left, line.right, line.point, line.interval, line.better]
        for line in lines(comparison)
    ]
    yield from _table([*headings, "ratio or diff.", "95 % interval", "better"], rows)


def _ladder(ladder: Ladder) -> Iterator[str]:
    yield f"### Loss by budget: {escape(name(ladder.transport))}, {escape(ladder.experiment)}"
    yield ""
    rows = [
        [
            size(rung.budget_bytes),
            f"{rung.lossy} of {rung.trials}",
            share(rung.lossy / rung.trials),
            share(rung.bound),
        ]
        for rung in ladder.rungs
    ]
    yield from _table(("budget", "storms that lost", "probability", "at most (95 %)"), rows)
