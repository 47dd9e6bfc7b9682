# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels as a document: the sentences first, then what they rest on.

docs/record-format.md describes its data, which JSON has; lists over kernels follow ``kernels``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.journal.schema import Fault
from bench.linux.machine import Machine
from bench.questions.claims.claim import Finding, Verdict
from bench.questions.claims.document import SIGNS, figure, numbers, reason
from bench.questions.kernels import charts, sentences, tables
from bench.questions.kernels.changes import ChangeData
from bench.questions.kernels.curves import Curve
from bench.questions.kernels.matrix import ClaimRow, InvalidTrial, Matrix, Missed, Order
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.completeness import as_json, repeats
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
    pick,
)
from bench.report.units import clean

FORMAT: Final = 3
_SECTION: Final = Level.BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One row."""

    label: str
    release: str
    status: str
    reason: str
    notes: tuple[str, ...]
    place: str
    machine: Machine | None
    trials: int
    plan: dict[str, Any] | None  # how much of it ran
    memory: tuple[dict[str, Any], ...]  # of each transport and budget, and how right


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingData:
    """One kernel's verdict on a claim."""

    verdict: Verdict
    reason: str
    measured: dict[str, Any] | None
    blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData:
    """One claim over all kernels."""

    id: str
    together: FindingData | None
    findings: tuple[FindingData | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixData:
    """The whole report."""

    format: int
    title: str
    verdict: tuple[str, ...]
    repeated_trials: int
    kernels: tuple[Kernel, ...]
    changes: tuple[ChangeData, ...]
    curves: tuple[Curve, ...]
    claims: tuple[ClaimData, ...]
    missed: tuple[Missed, ...]
    order: tuple[Order, ...]
    invalid: tuple[InvalidTrial, ...]
    faults: tuple[Fault, ...]


def document(matrix: Matrix) -> Document:
    """Return the report over all kernels of ``matrix``."""
    return Document(
        title=sentences.title(matrix), subject="", parts=tuple(_parts(matrix)), data=_data(matrix)
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


def _data(matrix: Matrix) -> MatrixData:
    return pick(
        MatrixData,
        matrix,
        format=FORMAT,
        title=sentences.title(matrix),
        verdict=sentences.verdict(matrix),
        repeated_trials=matrix.repeated,
        kernels=tuple(map(_kernel, matrix.rows)),
        claims=tuple(
            ClaimData(
                id=each.claim.id,
                together=_finding(each.together),
                findings=tuple(map(_finding, each.findings)),
            )
            for each in matrix.claims
        ),
    )


def _kernel(row: KernelRow) -> Kernel:
    found = row.result
    return pick(
        Kernel,
        row,
        machine=found.machine if found is not None else None,
        trials=found.summary.trials if found is not None else 0,
        plan=as_json(found.summary.coverage) if found is not None else None,
        memory=tuple(
            {**asdict(judged.line), "worths": judged.worths}
            for judged in (found.memory if found is not None else ())
        ),
    )


def _finding(found: Finding | None) -> FindingData | None:
    if found is None:
        return None
    return pick(FindingData, found, measured=numbers(found.measured))
