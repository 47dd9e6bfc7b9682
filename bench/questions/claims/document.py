# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show judged claims as a document: the verdicts first, then the reasons, claim by claim.

docs/record-format.md documents its data, as in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from itertools import starmap
from typing import Final

from bench.amounts import counted
from bench.errors import clean
from bench.judge.metrics import Unit
from bench.linux.machine import Machine
from bench.questions.claims import words
from bench.questions.claims.catalogue import UNTESTABLE, Judged, Judgement
from bench.questions.claims.claim import MeasuredData, Side, Statement, Verdict
from bench.questions.claims.expectations import Expectations
from bench.questions.claims.words import SPOKEN
from bench.questions.transports.coverage import PlanData
from bench.questions.transports.measures import origin
from bench.questions.transports.words import machine_words
from bench.report import document as doc
from bench.report.document import Cell, Column, Document, Level, Note, Sentence, TrialSet, pick
from bench.report.table import row

FORMAT: Final = 1
_COLUMNS: Final = (
    Column(heading="verdict", numeric=False, verdict=True),
    Column(heading="published", numeric=False),
    Column(heading="measured (95 % interval)", numeric=False),
    Column(heading="blocks"),
)
_reason: Final = partial(Sentence, level=Level.EVIDENCE)


@dataclass(frozen=True, slots=True)
class TrialData:
    """Name a trial by its run and block."""

    run: int
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisData:
    """List the trials of one arm behind a verdict."""

    experiment: str
    arm: str
    trials: tuple[TrialData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData(Statement):
    """Hold a claim and its verdict."""

    verdict: Verdict
    reason: str
    measured: MeasuredData | None
    blocks: int
    p: float | None
    further_blocks: int | None
    details: tuple[str, ...]
    rests_on: tuple[BasisData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedData:
    """Hold the verdicts on one machine."""

    machine: Machine | None
    plan: PlanData | None  # how much of it ran
    claims: tuple[ClaimData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsData:
    """Hold the JSON output: every machine."""

    format: int
    machines: tuple[JudgedData, ...]


def document(
    judged: Judged,
    lines: Mapping[TrialSet, str] | None = None,
    *,
    expected: Expectations | None = None,
    strict: bool = False,
) -> Document:
    """Return the verdicts on one machine; ``lines`` locate their trials in journals.

    Its checks use the ``expected`` verdicts.
    """
    return Document(
        title=words.tally(judged),
        subject=machine_words(judged.evidence.machine),
        parts=tuple(_parts(judged, lines or {})),
        data=pick(
            JudgedData,
            judged.evidence,
            plan=judged.evidence.coverage,
            claims=tuple(map(_data, judged.judgements)),
        ),
        short="Claims",
        origin=origin(judged.evidence.machine),
        checks=tuple(words.checks(judged, expected or {}, strict=strict)),
    )


def data_of(*documents: Document) -> ClaimsData:
    """Return the JSON of several machines; format is raised when a key changes its meaning."""
    return ClaimsData(format=FORMAT, machines=tuple(each.data for each in documents))


def _data(judgement: Judgement) -> ClaimData:
    claim, finding = judgement.claim, judgement.finding
    return pick(
        ClaimData,
        finding,
        **{each.name: getattr(claim, each.name) for each in fields(Statement)},
        measured=None if finding.measured is None else pick(MeasuredData, finding.measured),
        further_blocks=finding.further_blocks if judgement.open else None,
        rests_on=tuple(
            pick(BasisData, basis, trials=tuple(starmap(TrialData, basis.trials)))
            for basis in finding.rests_on
        ),
    )


def _parts(judged: Judged, lines: Mapping[TrialSet, str]) -> Iterator[doc.Part]:
    yield from (Note(text=line, mark=doc.Mark.OPEN) for line in words.notes(judged))
    by_verdict = {
        verdict: found
        for verdict in Verdict
        if (found := [each for each in judged.judgements if each.finding.verdict is verdict])
    }
    for verdict in (Verdict.REFUTED, Verdict.INCONCLUSIVE):
        for each in by_verdict.get(verdict, ()):
            figures = filter(None, (_figure(each), words.reason(each.finding)))
            yield Sentence(
                lead=f"{words.badge(each.finding)}, {each.claim.id}",
                text="; ".join((each.claim.statement, *figures)),
                evidence=_evidence(each),
            )
    by_side = {
        side: found
        for side in Side
        if (found := [e for v in SPOKEN for e in by_verdict.get(v, ()) if e.claim.side is side])
    }
    for side, found in by_side.items():
        if names := [e.claim.id for e in found if e.finding.verdict is Verdict.REPRODUCED]:
            sign = words.SIGNS[Verdict.REPRODUCED]
            yield Sentence(lead=f"{sign} reproduced, {side}", text=", ".join(names))
    unjudged = {verdict: found for verdict, found in by_verdict.items() if verdict not in SPOKEN}
    text = "; ".join(f"{verdict}: {_grouped(found)}" for verdict, found in unjudged.items())
    if text:
        yield Note(text=f"{text[0].upper()}{text[1:]}")
    yield Note(text=words.ABBREVIATIONS)
    for side, found in by_side.items():
        yield doc.Table(
            key=f"claims-{side.name.lower()}",
            title=side.heading,
            corner="claim",
            columns=_COLUMNS,
            rows=tuple(map(_row, found)),
            level=Level.EVIDENCE,
        )
    yield doc.Heading(text="Why, claim by claim", key="claims", short="Why", level=Level.EVIDENCE)
    yield Note(text=words.SOURCES, level=Level.EVIDENCE)
    for found in by_side.values():
        yield from (_fold(each, lines, words.badge(each.finding)) for each in found)
    if text:
        folds = tuple(_fold(each, lines) for found in unjudged.values() for each in found)
        summary = f"Claims that could not be judged: {len(folds)}"
        yield doc.Fold(key="not-judged", summary=summary, parts=folds)
    untestable = "; ".join(f"{each.id} ({each.reason})" for each in UNTESTABLE)
    yield Note(text=f"Published, and not judged: {untestable}", level=Level.EVIDENCE)


def _grouped(judgements: Iterable[Judgement]) -> str:
    """Return names by reason; each claim's fold names its missing experiments."""
    by_reason: dict[str, list[str]] = {}
    for each in judgements:
        reason = each.finding.reason
        if each.finding.verdict is Verdict.NOT_MEASURED:
            reason = reason.partition(" of ")[0]
        by_reason.setdefault(reason, []).append(each.claim.id)
    return "; ".join(f"{', '.join(names)} ({clean(each)})" for each, names in by_reason.items())


def _figure(judgement: Judgement) -> str:
    """Return the number that decided, with its name; "" without one."""
    measured = judgement.finding.measured
    return f"{measured.what}: {words.figure(measured)}" if measured is not None else ""


def _evidence(judgement: Judgement) -> doc.Evidence:
    trials, measured = judgement.finding.rests_on, judgement.finding.measured
    low, high = (None, None) if measured is None else (measured.low, measured.high)
    return doc.Evidence(trials=trials, low=low, high=high)


def _row(judgement: Judgement) -> doc.Row:
    claim, finding, measured = judgement.claim, judgement.finding, judgement.finding.measured
    point = None if measured is None else measured.point
    return row(
        Cell(text=claim.id, hint=claim.statement),
        Cell(text=words.badge(finding), mark=words.MARKS[finding.verdict]),
        claim.published,
        Cell(text=_figure(judgement) or "in words, see why", value=point),
        finding.blocks,
        evidence=_evidence(judgement),
    )


def _fold(judgement: Judgement, lines: Mapping[TrialSet, str], shown: str = "") -> doc.Fold:
    claim, finding = judgement.claim, judgement.finding
    return doc.Fold(
        key=claim.id,
        summary=f"{claim.id}: {claim.statement}",
        badge=shown,
        mark=words.MARKS[finding.verdict],
        gist=words.figure(finding.measured),
        parts=tuple(_reasons(judgement, lines)),
        links=tuple(words.links(claim.sources)),
    )


def _reasons(judgement: Judgement, lines: Mapping[TrialSet, str]) -> Iterator[doc.Part]:
    claim, finding, measured = judgement.claim, judgement.finding, judgement.finding.measured
    verdict = finding.verdict.value.capitalize()
    yield _reason(lead=verdict, text=f"{words.reason(finding)}.", evidence=_evidence(judgement))
    if measured is not None:
        yield _reason(lead="Measured", text=measured.what)
    if measured is not None and measured.blocks:
        ends = min(measured.blocks), max(measured.blocks), measured.bound
        least, most, bound = map(measured.written, ends)
        yield pick(
            doc.Strip,
            measured,
            ratio=measured.unit is Unit.TIMES,
            words=f"{counted(len(measured.blocks), 'block')}, {least} to {most} (circles); bound "
            f"{bound} (line across); 95 % interval (bar)",
            level=Level.BACKGROUND,
        )
    yield from (_reason(text=detail) for detail in finding.details)
    entries = {
        "Published": (claim.published,),
        "Sources": (claim.sources,),
        "Tested by": (claim.test,),
        "Reproduced when": (claim.reproduced_when,),
        "p": (f"{finding.p:.2g}",) if finding.p is not None else (),
        "Rests on": tuple(
            f"{basis.experiment} {basis.arm}: "
            f"{lines.get(basis) or counted(len(basis.trials), 'trial')}"
            for basis in finding.rests_on
        ),
    }
    yield doc.Definitions(entries=tuple(entry for entry in entries.items() if entry[1]))
