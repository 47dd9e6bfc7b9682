# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels in Markdown: for a job's summary, a ticket or a README."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.judge.kernels.matrix import Matrix
from bench.report.completeness import repeats
from bench.report.kernels import sentences, tables
from bench.report.kernels.table import Table
from bench.report.markdown import escape


def render_markdown(matrix: Matrix) -> str:
    """The whole report; text from journals is escaped."""
    return "\n".join(_lines(matrix)) + "\n"


def _lines(matrix: Matrix) -> Iterator[str]:
    yield f"# {escape(sentences.title(matrix))}"
    yield ""
    for sentence in sentences.verdict(matrix):
        head, _, rest = sentence.partition(": ")
        yield f"- **{escape(head)}:** {escape(rest)}"
    for table in tables.every(matrix):
        yield ""
        yield from _table(table)
        if table.key == "kernels":
            yield from _onsets(matrix)
    if any(curve.time for curve in matrix.curves):
        yield ""
        yield sentences.RATIOS
    trouble = [
        *(
            f"invalid: {label}, {trial.experiment} {trial.arm} block {trial.block}: "
            f"{'; '.join(trial.reasons)}"
            for label, trial in matrix.invalid
        ),
        *repeats(matrix.repeated),
        *(f"journal: {fault}" for fault in matrix.faults),
    ]
    if trouble:
        yield ""
        yield "## What could not be used"
        yield ""
        yield from (f"- {escape(line)}" for line in trouble)


def _onsets(matrix: Matrix) -> Iterator[str]:
    found = sentences.onsets(matrix.rows, matrix.changes)
    if found:
        yield ""
        yield "## What changed"
        yield ""
        for label, words in found:
            yield f"- **{escape(label)}**"
            yield from (f"  - {escape(line)}" for line in words)


def _table(table: Table) -> Iterator[str]:
    yield f"## {escape(table.title)}"
    yield ""
    yield _row([table.corner, *table.headings])
    align = "---:" if table.numeric else "---"
    yield _row(["---", *[align] * len(table.headings)], safe=True)
    notes = []
    for line in table.lines:
        if line.cells:
            yield _row([line.heading, *(cell.text for cell in line.cells)])
            if line.reason:
                notes.append(f"- {escape(line.heading)}: {escape(line.reason)}")
        else:
            yield _row([line.heading, line.reason, *[""] * (len(table.headings) - 1)])
    if notes:
        yield ""
        yield from notes
    if table.hint:
        yield ""
        yield escape(table.hint)


def _row(cells: Sequence[str], *, safe: bool = False) -> str:
    return f"| {' | '.join(cell if safe else escape(cell) for cell in cells)} |"
