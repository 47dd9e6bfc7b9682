# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare several consumers with one on the same buffers, in a sentence and a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bench.amounts import counted
from bench.judge.comparison import Comparison, Consumers
from bench.questions.transports.tables import compared_row
from bench.questions.transports.words import listed, name, place
from bench.report.document import Cell, Level, Mark, Row, Table
from bench.report.table import columns
from bench.report.units import interval, number, point

_GAINS: Final = {
    "own_dropped_share": "fewer drops",
    "latency_p50_ns": "sooner delivery",
    "latency_p99_ns": "a lower 99th percentile",
    "consumer_cpu_s_per_million": "less CPU",
}
"""The gain of the better side, by number."""


def sentence(found: Consumers) -> str:
    """Return the sentence that compares several consumers with one."""
    sides = zip(_heads(found), (-1, 1), strict=True)
    said = [f"{head} for {listed(gains)}" for head, sign in sides if (gains := _gains(found, sign))]
    better = "; ".join(said) or f"no number names {found.consumers} or 1 as better"
    return f"{_where(found)}: {better}."


def _gains(found: Consumers, side: int) -> list[str]:
    """Return the gains of one side, -1 for the left one, with both sides' figures."""
    return [
        f"{_GAINS[row.key]} ({' against '.join(number(n, row.unit) for n in both[::-side])})"
        for row in found.comparison.rows
        if row.key in _GAINS and row.better == side
        for both in [(row.left or 0.0, row.right or 0.0)]
    ]


def _heads(found: Consumers) -> list[str]:
    return [counted(each, "consumer") for each in (found.consumers, 1)]


def _where(found: Consumers) -> str:
    return f"{name(found.comparison.left.transport)}, {place(found.comparison)}"


def table(key: str, found: Consumers) -> Table:
    """Tabulate the numbers that consumers can change."""
    heads = _heads(found)
    return Table(
        key=key,
        title=f"Consumers: {_where(found)}",
        corner="number",
        columns=columns(*heads, "ratio or diff.", "95 % interval", verdict="better"),
        rows=tuple(_rows(found.comparison, heads)),
        level=Level.EVIDENCE,
    )


def _rows(comparison: Comparison, heads: list[str]) -> Iterator[Row]:
    for row in comparison.rows:
        if row.key in _GAINS:
            between = point(row.estimate, row.unit), interval(row.estimate, row.unit)
            shown = compared_row(comparison, row, row.label, *between)
            if row.better:  # both sides are of one transport
                better = Cell(text=heads[row.better > 0], mark=Mark.GOOD)
                shown = replace(shown, cells=(*shown.cells[:-1], better))
            yield shown
