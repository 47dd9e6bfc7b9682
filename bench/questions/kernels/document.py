# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Build the report over kernels: the answers first, then the evidence behind them.

docs/record-format.md describes its data, as in JSON; lists over kernels are in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.amounts import counted
from bench.campaign.gates import Gate
from bench.errors import clean
from bench.journal.schema import Fault
from bench.judge.memory import Worth
from bench.linux.machine import Machine
from bench.questions.claims.claim import Finding, NumberData, Verdict
from bench.questions.claims.words import (
    ABBREVIATIONS,
    SIGNS,
    SOURCES,
    SPOKEN,
    check,
    figure,
    links,
    reason,
)
from bench.questions.kernels import charts, sentences, tables
from bench.questions.kernels.answers import Answers, answers, title
from bench.questions.kernels.changes import ChangeData
from bench.questions.kernels.curves import Curve
from bench.questions.kernels.matrix import (
    ClaimRow,
    InvalidTrial,
    Matrix,
    Missed,
    Order,
    TornOn,
)
from bench.questions.kernels.outcome import Reproduced, Status
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports import measures as of_run
from bench.questions.transports.background import EXPLAINED
from bench.questions.transports.completeness import repeats
from bench.questions.transports.coverage import PlanData
from bench.record.footprint import MemoryLine
from bench.report import document as doc

FORMAT: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryData(MemoryLine):
    """Hold the memory of a transport at a budget, and how right each instrument is."""

    worths: Mapping[str, Worth]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Hold one row."""

    label: str
    release: str
    status: str
    reason: str
    notes: tuple[str, ...]
    reproduced: Reproduced | None  # of a reproducible guest
    place: str
    machine: Machine | None
    trials: int
    plan: PlanData | None  # how much of it ran
    memory: tuple[MemoryData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingData:
    """Hold one kernel's verdict on a claim."""

    verdict: Verdict
    reason: str
    measured: NumberData | None
    blocks: int
    by_instructions: bool  # instead of the times that the claim is about


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData:
    """Hold one claim over all kernels."""

    id: str
    together: FindingData | None
    findings: tuple[FindingData | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixData:
    """Hold the whole report."""

    format: int
    title: str
    answers: tuple[Answers, ...]
    verdict: tuple[str, ...]
    repeated_trials: int
    kernels: tuple[Kernel, ...]
    changes: tuple[ChangeData, ...]
    curves: tuple[Curve, ...]
    claims: tuple[ClaimData, ...]
    missed: tuple[Missed, ...]
    order: tuple[Order, ...]
    torn: tuple[TornOn, ...]
    invalid: tuple[InvalidTrial, ...]
    faults: tuple[Fault, ...]


def document(matrix: Matrix, gates: Sequence[Gate] = ()) -> doc.Document:
    """Return the report over all kernels of ``matrix``."""
    found, said = answers(matrix), sentences.verdict(matrix)
    data = doc.pick(
        MatrixData,
        matrix,
        format=FORMAT,
        title=title(matrix, found),
        answers=found,
        verdict=tuple(map(str, said)),
        repeated_trials=matrix.repeated,
        kernels=tuple(map(_kernel, matrix.rows)),
        claims=tuple(
            ClaimData(
                id=each.claim.id,
                together=_finding(each.together, by_instructions=False),
                findings=tuple(
                    _finding(found, by_instructions=_by_instructions(each, row))
                    for found, row in zip(each.findings, matrix.rows, strict=True)
                ),
            )
            for each in matrix.claims
        ),
    )
    parts = (*_decision(matrix, found), *_parts(matrix, found, said))
    return doc.Document(
        title=data.title,
        subject=sentences.subject(matrix),
        parts=parts,
        data=data,
        measures=tuple(_measures(matrix)),
        checks=tuple(_checks(matrix, gates)),
    )


def _measures(matrix: Matrix) -> Iterator[doc.Measure]:
    """Yield what was measured on each kernel."""
    for row, result in matrix.measured:
        for each in of_run.measures(result.summary):
            labels = (("kernel", row.label), *each.labels)
            yield replace(each, labels=labels, name=f"{row.label}, {each.name}")


def _checks(matrix: Matrix, gates: Sequence[Gate]) -> Iterator[doc.Check]:
    """Yield for each kernel whether its result is whole, which gates hold, and its claims."""
    for row in matrix.rows:
        done = row.status == Status.DONE and row.result is not None
        lacking = doc.Passing.SKIPPED if row.status == Status.UNAVAILABLE else doc.Passing.FAILED
        text = ": ".join(filter(None, (row.status, row.reason)))
        whole = doc.Passing.PASSED if done else lacking
        found = [doc.Check(name="whole result", outcome=whole, text=text)]
        if row.result is not None:
            found += of_run.checks(row.result.summary)
        for gate in gates:
            failure = gate.failure(row.trials)
            outcome = doc.Passing.FAILED if failure else doc.Passing.PASSED
            text = failure or f"not once in {counted(len(row.trials), 'trial')}"
            found.append(doc.Check(name=str(gate), outcome=outcome, text=text))
        last = {each.name: each for each in found}  # requested gates replace the usual checks
        yield from (replace(each, name=f"{row.label} {name}") for name, each in last.items())
    for claimed in matrix.claims:
        if claimed.together is not None:
            yield check(claimed.claim, claimed.together)
        for row, finding in zip(matrix.rows, claimed.findings, strict=True):
            if finding is not None:
                one = check(claimed.claim, finding)
                yield replace(one, name=f"{row.label} {one.name}")


def _decision(matrix: Matrix, found: Sequence[Answers]) -> Iterator[doc.Part]:
    for line in (*sentences.trouble(matrix), *repeats(matrix.repeated)):
        yield doc.Note(text=str(line), mark=doc.Mark.OPEN)
    yield tables.answers(matrix, found)
    yield from tables.torn_sentences(matrix.torn)
    if any(row.emulated and not row.counted for row in matrix.rows):
        yield doc.Note(text=sentences.RATIOS)
    if any(row.counted for row in matrix.rows):
        yield doc.Note(text=sentences.INSTRUCTIONS)


def _parts(
    matrix: Matrix, found: Sequence[Answers], said: tuple[doc.Sentence, ...]
) -> Iterator[doc.Part]:
    if matrix.curves or matrix.missed:
        yield doc.Heading(
            text="Over versions", key="charts", short="Charts", level=doc.Level.BACKGROUND
        )
        yield doc.Figures(make=lambda: charts.figures(matrix, found))
    yield doc.Heading(text="Evidence", key="evidence", short="Evidence", level=doc.Level.EVIDENCE)
    yield doc.Fold(key="counts", summary="All kernels together, in counts", parts=said)
    yield _fold("kernels", tables.kernels(matrix))
    if matrix.torn:
        yield _fold("torn", tables.torn(matrix.torn))
    if entries := tuple(
        (f"{tables.ONSET} {clean(row.label)}", tuple(f"{c.title}: {step}" for c, step in steps))
        for row in matrix.rows
        if (steps := matrix.steps(row.label))
    ):
        changed = doc.Definitions(entries=entries, level=doc.Level.EVIDENCE)
        yield doc.Fold(
            key="changes", summary="What changed in the kernel, and where", parts=(changed,)
        )
    if claims := tuple(_claims(matrix)):
        explained = doc.Note(text=f"{ABBREVIATIONS} {SOURCES}")
        yield doc.Fold(
            key="claims", summary="Published claims on each kernel", parts=(explained, *claims)
        )
    if memory := [_fold(table.key.replace(":", "-"), table) for table in tables.memory(matrix)]:
        text = "The usual instruments disagree: each counts something else, and that changed too."
        yield doc.Fold(
            key="memory",
            summary="Memory, by every instrument",
            parts=(doc.Note(text=text), doc.definitions(EXPLAINED), *memory),
        )
    curves = [each for each in (*matrix.curves, matrix.skipped) if each.points]
    if folds := tuple(_fold(f"curve-{curve.key}", tables.curve(curve)) for curve in curves):
        yield doc.Fold(key="tables", summary="The numbers of the charts", parts=folds)
    yield doc.Fold(key="trials", summary="Trials and journals", parts=tuple(_trials(matrix)))


def _fold(key: str, table: doc.Table) -> doc.Fold:
    return doc.Fold(key=key, summary=table.title, parts=(table,))


def _claims(matrix: Matrix) -> Iterator[doc.Fold]:
    """Yield a fold for each claim that some kernel's trials can judge."""
    for each in matrix.claims:
        on: dict[str, list[str]] = {}
        entries = [
            ("Published", (f"{each.claim.published} ({each.claim.sources})",)),
            ("Reproduced when", (each.claim.reproduced_when,)),
        ]
        for row, found in zip(matrix.rows, each.findings, strict=True):
            if found is None:
                continue
            label = row.label + " (by instructions)" * _by_instructions(each, row)
            signed = f"{SIGNS[found.verdict]} {found.verdict}"
            if found.verdict in SPOKEN:
                on.setdefault(signed, []).append(label)
            words = f"{signed} {figure(found.measured)}".rstrip()
            entries.append((label, (f"{words}: {reason(found)}",)))
        gist = "; ".join(f"{verdict} on {', '.join(labels)}" for verdict, labels in on.items())
        if each.together is not None:
            verdict = each.together.verdict
            gist = f"{SIGNS[verdict]} {verdict} over all kernels: {reason(each.together)}"
        if gist:
            yield doc.Fold(
                key=each.claim.id,
                summary=f"{each.claim.id}: {each.claim.statement}",
                gist=gist,
                parts=(doc.Definitions(entries=tuple(entries)),),
                links=tuple(links(each.claim.sources)),
            )


def _by_instructions(each: ClaimRow, row: KernelRow) -> bool:
    return each.claim.of_times and row.counted


def _trials(matrix: Matrix) -> Iterator[doc.Part]:
    if matrix.trials and not matrix.invalid:
        yield doc.Note(text=f"{counted(matrix.trials, 'trial')}, and every ledger balanced.")
    for trial in matrix.invalid:
        where = f"{trial.kernel}, {trial.experiment} {trial.arm} block {trial.block}"
        yield doc.Note(text=f"invalid: {where}: {'; '.join(trial.reasons)}", mark=doc.Mark.OPEN)
    runs = {row.label: f"{counted(len(row.trials), 'trial')}: {row.path}" for row in matrix.rows}
    yield doc.definitions(runs)
    for fault in matrix.faults:
        yield doc.Note(text=f"journal: {fault}", mark=doc.Mark.OPEN)


def _kernel(row: KernelRow) -> Kernel:
    found = row.result
    return doc.pick(
        Kernel,
        row,
        place=row.path,
        machine=found.machine if found is not None else None,
        trials=found.summary.trials if found is not None else 0,
        plan=found.summary.coverage if found is not None else None,
        memory=tuple(
            doc.pick(MemoryData, judged.line, worths=judged.worths)
            for judged in (found.memory if found is not None else ())
        ),
    )


def _finding(found: Finding | None, *, by_instructions: bool) -> FindingData | None:
    if found is None:
        return None
    measured = None if found.measured is None else doc.pick(NumberData, found.measured)
    return doc.pick(FindingData, found, measured=measured, by_instructions=by_instructions)
