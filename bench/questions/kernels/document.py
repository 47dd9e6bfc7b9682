# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels as a document: the sentences first, then what they rest on.

docs/record-format.md describes its data, which JSON has; lists over kernels follow ``kernels``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.amounts import counted
from bench.journal.schema import Fault
from bench.linux.machine import Machine
from bench.questions.claims.claim import Finding, Verdict
from bench.questions.claims.document import SIGNS, figure, numbers, reason
from bench.questions.kernels import charts, sentences, tables
from bench.questions.kernels.changes import ChangeData
from bench.questions.kernels.curves import Curve
from bench.questions.kernels.matrix import ClaimRow, InvalidTrial, Matrix, Missed, Order
from bench.questions.kernels.measures import checks, measures
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.background import EXPLAINED
from bench.questions.transports.words import as_json, repeats
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
    Table,
    pick,
)
from bench.report.units import clean

FORMAT: Final = 3
_FURTHER: Final = Level.BACKGROUND


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
    title, verdict = sentences.title(matrix), sentences.verdict(matrix)
    data = pick(
        MatrixData,
        matrix,
        format=FORMAT,
        title=title,
        verdict=verdict,
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
    leads = (line.partition(": ") for line in verdict)
    first = (Sentence(lead=lead, text=text) for lead, _, text in leads)
    return Document(
        title=title,
        subject="",
        parts=(*first, *_parts(matrix)),
        data=data,
        measures=tuple(measures(matrix)),
        checks=tuple(checks(matrix)),
    )


def _parts(matrix: Matrix) -> Iterator[Part]:
    if matrix.emulated:
        yield Note(text=sentences.RATIOS, mark=Mark.OPEN)
    yield from _section("Kernels", "kernels", "", tables.kernels(matrix))
    entries = tuple(
        (f"{tables.ONSET} {clean(row.label)}", tuple(f"{c.title}: {step}" for c, step in steps))
        for row in matrix.rows
        if (steps := matrix.steps(row.label))
    )
    if entries:
        yield Heading(text="What changed, and where")
        yield Definitions(entries=entries, level=Level.DECISION)
    if matrix.curves or matrix.missed:
        figures = Figures(make=lambda: charts.figures(matrix))
        yield from _section("Over versions", "charts", "Charts", figures)
    if tables.decided(matrix):
        table, folds = tables.claims(matrix), _claims(matrix)
        yield from _section("Claims by kernels", "claims", "Claims", table, *folds)
    if matrix.missed:
        missed = tables.missed(matrix)
        yield from _section("Exits that the tracer never saw", "missed", "Missed", missed)
    if memory := [_fold(table.key.replace(":", "-"), table) for table in tables.memory(matrix)]:
        text = "The usual instruments disagree: each counts something else, and that changed, too."
        entries = tuple((name, (words,)) for name, words in EXPLAINED.items())
        explained = Definitions(entries=entries)
        note = Note(text=text, level=_FURTHER)
        heading = "Memory, by every instrument"
        yield from _section(heading, "memory", "Memory", note, explained, *memory)
    if matrix.curves:
        folds = (_fold(f"curve-{curve.key}", tables.curve(curve)) for curve in matrix.curves)
        note = Note(text=sentences.RATIOS, level=_FURTHER)
        yield from _section("The numbers of the charts", "tables", "Tables", *folds, note)
    yield from _section("Trials and journals", "trials", "Trials", *_trials(matrix))


def _section(text: str, key: str, short: str, *parts: Part) -> tuple[Part, ...]:
    return Heading(text=text, key=key, short=short, level=_FURTHER), *parts


def _fold(key: str, table: Table) -> Fold:
    return Fold(key=key, summary=table.title, parts=(table,))


def _claims(matrix: Matrix) -> Iterator[Fold]:
    for each in tables.decided(matrix):
        if each.together is None:
            yield Fold(
                key=f"claim-{each.claim.id}",
                summary=each.claim.statement,
                gist="kernels differ" if each.differs else "",
                parts=(Definitions(entries=tuple(_findings(matrix, each))),),
                level=_FURTHER,
            )


def _findings(matrix: Matrix, each: ClaimRow) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "Published", (f"{each.claim.published} ({each.claim.sources})",)
    yield "Reproduced when", (each.claim.reproduced_when,)
    for row, found in zip(matrix.rows, each.findings, strict=True):
        if found is not None:
            words = f"{SIGNS[found.verdict]} {found.verdict} {figure(found.measured)}"
            yield row.label, (f"{words.rstrip()}: {reason(found)}",)


def _trials(matrix: Matrix) -> Iterator[Part]:
    if matrix.trials and not matrix.invalid:
        yield Note(
            text=f"{counted(matrix.trials, 'trial')}, and every ledger balanced.", level=_FURTHER
        )
    for trial in matrix.invalid:
        where = f"{trial.kernel}, {trial.experiment} {trial.arm} block {trial.block}"
        yield Note(text=f"invalid: {where}: {'; '.join(trial.reasons)}", mark=Mark.OPEN)
    yield Definitions(entries=tuple((row.label, (row.path,)) for row in matrix.rows))
    for line in (*repeats(matrix.repeated), *(f"journal: {fault}" for fault in matrix.faults)):
        yield Note(text=line, mark=Mark.OPEN)


def _kernel(row: KernelRow) -> Kernel:
    found = row.result
    return pick(
        Kernel,
        row,
        place=row.path,
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
