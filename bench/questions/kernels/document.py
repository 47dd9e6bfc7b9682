# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels as a document: the sentences first, then what they rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.questions.claims.document import SIGNS, figure, reason
from bench.questions.kernels import charts, sentences, tables
from bench.questions.kernels.data import data_of
from bench.questions.kernels.matrix import ClaimRow, Matrix
from bench.questions.transports.completeness import repeats
from bench.questions.transports.memory import EXPLAINED
from bench.report.document import (
    Definitions,
    Document,
    Figures,
    Fold,
    Heading,
    Level,
    Mark,
    Note,
    Part,
    Sentence,
)
from bench.report.units import clean

_SECTION: Final = Level.BACKGROUND


def document(matrix: Matrix) -> Document:
    """Return the report over all kernels of ``matrix``."""
    return Document(
        title=sentences.title(matrix), subject="", parts=tuple(_parts(matrix)), data=data_of(matrix)
    )


def _parts(matrix: Matrix) -> Iterator[Part]:
    for line in sentences.verdict(matrix):
        lead, _, text = line.partition(": ")
        yield Sentence(lead=lead, text=text)
    if matrix.emulated:
        yield Note(text=sentences.RATIOS, mark=Mark.OPEN)
    yield Heading(text="Kernels", key="kernels", level=_SECTION)
    yield tables.kernels(matrix)
    entries = tuple(_onsets(matrix))
    if entries:
        yield Heading(text="What changed, and where")
        yield Definitions(entries=entries, level=Level.DECISION)
    if matrix.curves or matrix.missed:
        yield Heading(text="Over versions", key="charts", short="Charts", level=_SECTION)
        yield Figures(make=lambda: charts.figures(matrix))
    yield from _claims(matrix)
    if (missed := tables.missed(matrix)) is not None:
        yield Heading(
            text="Exits that the tracer never saw", key="missed", short="Missed", level=_SECTION
        )
        yield missed
    yield from _memory(matrix)
    if matrix.curves:
        yield Heading(
            text="The numbers of the charts", key="tables", short="Tables", level=_SECTION
        )
        for curve in matrix.curves:
            table = tables.curve(curve)
            yield Fold(key=f"curve-{curve.key}", summary=table.title, parts=(table,))
        yield Note(text=sentences.RATIOS, level=_SECTION)
    yield from _trials(matrix)


def _onsets(matrix: Matrix) -> Iterator[tuple[str, tuple[str, ...]]]:
    for row in matrix.rows:
        changed = [each for each in matrix.changes if row.label in each.steps]
        if changed:
            words = tuple(f"{each.title}: {each.steps[row.label]}" for each in changed)
            yield f"{tables.ONSET} {clean(row.label)}", words


def _claims(matrix: Matrix) -> Iterator[Part]:
    table = tables.claims(matrix)
    if table is None:
        return
    yield Heading(text="Claims by kernels", key="claims", short="Claims", level=_SECTION)
    yield table
    for each in tables.decided(matrix):
        if each.together is None:
            yield Fold(
                key=f"claim-{each.claim.id}",
                summary=each.claim.statement,
                gist="kernels differ" if each.differs else "",
                parts=(Definitions(entries=tuple(_findings(matrix, each))),),
                level=_SECTION,
            )


def _findings(matrix: Matrix, each: ClaimRow) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "Published", (f"{each.claim.published} ({each.claim.sources})",)
    yield "Reproduced when", (each.claim.reproduced_when,)
    for row, found in zip(matrix.rows, each.findings, strict=True):
        if found is not None:
            words = f"{SIGNS[found.verdict]} {found.verdict} {figure(found.measured)}"
            yield row.label, (f"{words.rstrip()}: {reason(found)}",)


def _memory(matrix: Matrix) -> Iterator[Part]:
    found = tables.memory(matrix)
    if not found:
        return
    yield Heading(text="Memory, by every instrument", key="memory", short="Memory", level=_SECTION)
    yield Note(
        text="The usual instruments disagree: each counts something else, and that changed, too.",
        level=_SECTION,
    )
    yield Definitions(entries=tuple((name, (text,)) for name, text in EXPLAINED.items()))
    for table in found:
        yield Fold(key=table.key.replace(":", "-"), summary=table.title, parts=(table,))


def _trials(matrix: Matrix) -> Iterator[Part]:
    yield Heading(text="Trials and journals", key="trials", short="Trials", level=_SECTION)
    if matrix.trials and not matrix.invalid:
        yield Note(text=f"{matrix.trials:,} trials, and every ledger balanced.", level=_SECTION)
    for trial in matrix.invalid:
        where = f"{trial.kernel}, {trial.experiment} {trial.arm} block {trial.block}"
        yield Note(text=f"invalid: {where}: {'; '.join(trial.reasons)}", mark=Mark.OPEN)
    yield Definitions(entries=tuple((row.label, (row.place,)) for row in matrix.rows))
    for line in repeats(matrix.repeated):
        yield Note(text=line, mark=Mark.OPEN)
    for fault in matrix.faults:
        yield Note(text=f"journal: {fault}", mark=Mark.OPEN)
