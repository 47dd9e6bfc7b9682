# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judged claims as a document: the table of verdicts, then the reasons, claim by claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.judge.metrics import Unit
from bench.linux.machine import Machine
from bench.questions.claims.catalogue import Judged, Judgement
from bench.questions.claims.claim import Side
from bench.questions.claims.finding import Basis, Finding, Measured, Verdict
from bench.questions.transports.completeness import as_json, completeness, incomplete, repeats
from bench.questions.transports.words import machine_words
from bench.report.document import (
    Cell,
    Column,
    Definitions,
    Document,
    Evidence,
    Fold,
    Heading,
    Level,
    Mark,
    Note,
    Part,
    Row,
    Sentence,
    Strip,
    Table,
    TrialSet,
    pick,
)
from bench.report.units import clean, number

FORMAT: Final = 1

SIGNS: Final = {
    Verdict.REPRODUCED: "✓",
    Verdict.REFUTED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_APPLICABLE: "-",
    Verdict.NOT_MEASURED: "-",
}

MARKS: Final = {
    Verdict.REPRODUCED: Mark.GOOD,
    Verdict.REFUTED: Mark.BAD,
    Verdict.INCONCLUSIVE: Mark.OPEN,
    Verdict.NOT_APPLICABLE: Mark.SOFT,
    Verdict.NOT_MEASURED: Mark.SOFT,
}

_COLUMNS: Final = (
    Column(heading="verdict", numeric=False),
    Column(heading="published", numeric=False),
    Column(heading="measured (95 % interval)", numeric=False),
    Column(heading="blocks"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredData:
    """A number and its interval."""

    what: str
    unit: Unit
    point: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidingData(MeasuredData):
    """The number that decided a claim, and what its interval was compared with."""

    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisData:
    """Trials that a verdict rests on."""

    experiment: str
    arm: str
    trials: tuple[dict[str, int], ...]  # run and block


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData:
    """One claim and its verdict."""

    id: str
    side: Side
    statement: str
    sources: str
    published: str
    test: str
    reproduced_when: str
    comparative: bool
    verdict: Verdict
    reason: str
    measured: DecidingData | None
    blocks: int
    p: float | None
    further_blocks: int | None
    details: tuple[str, ...]
    rests_on: tuple[BasisData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineData:
    """One machine and kernel."""

    machine: Machine | None
    plan: dict[str, Any] | None  # how much of it ran
    claims: tuple[ClaimData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsData:
    """What JSON has; ``format`` goes up when a key changes its meaning."""

    format: int
    machines: tuple[MachineData, ...]


def figure(measured: Measured | None) -> str:
    """Return the number and its 95 % interval: "19.3 (12.1 to 30.8) times"; "" without one."""
    if measured is None:
        return ""
    point, low, high = (
        number(value, measured.unit) for value in (measured.point, measured.low, measured.high)
    )
    times = " times" if measured.unit == "times" else ""
    return f"{point}{times} ({low} to {high})"


def reason(finding: Finding) -> str:
    """Say why, and where it is open, what would settle it."""
    text = clean(finding.reason)
    if finding.verdict is Verdict.INCONCLUSIVE and finding.further_blocks:
        more = finding.further_blocks
        blocks = "1,000 or more" if more >= 1_000 else f"about {more}"
        text += f"; {blocks} further block{'s' if more > 1 else ''} would likely settle it"
    return text


def tally(judged: Judged) -> str:
    """Count claims by verdict, and say whether the run was stopped."""
    counts = Counter(each.finding.verdict for each in judged.judgements)
    parts = (f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    text = f"{incomplete(judged.coverage)}{len(judged.judgements)} claims: {', '.join(parts)}"
    if judged.reduced:
        text += f"; {judged.reduced:,} trials with reduced storms were left out"
    return text


def notes(judged: Judged) -> Iterator[str]:
    """Yield what the runs lack, and how many trials were given more than once."""
    if judged.coverage is not None:
        yield from completeness(judged.coverage)
        yield from repeats(judged.coverage.repeated)


def data_of(*documents: Document) -> ClaimsData:
    """Return what JSON has of several machines."""
    return ClaimsData(format=FORMAT, machines=tuple(each.data for each in documents))


def document(judged: Judged, lines: Mapping[Basis, str] | None = None) -> Document:
    """Return the verdicts on one machine; ``lines`` say where in journals a basis stands."""
    return Document(
        title=tally(judged),
        subject=machine_words(judged.machine),
        parts=tuple(_parts(judged, lines or {})),
        data=MachineData(
            machine=judged.machine,
            plan=as_json(judged.coverage),
            claims=tuple(map(_data, judged.judgements)),
        ),
        short="Claims",
    )


def _data(judgement: Judgement) -> ClaimData:
    claim, finding = judgement.claim, judgement.finding
    measured = finding.measured
    return pick(
        ClaimData,
        claim,
        verdict=finding.verdict,
        reason=finding.reason,
        measured=pick(DecidingData, measured) if measured is not None else None,
        blocks=finding.blocks,
        p=finding.p,
        further_blocks=finding.further_blocks if not finding.verdict.settled else None,
        details=finding.details,
        rests_on=tuple(map(_basis, finding.rests_on)),
    )


def _basis(basis: Basis) -> BasisData:
    trials = tuple({"run": run, "block": block} for run, block in basis.trials)
    return pick(BasisData, basis, trials=trials)


def _parts(judged: Judged, lines: Mapping[Basis, str]) -> Iterator[Part]:
    yield from (Note(text=line, mark=Mark.OPEN) for line in notes(judged))
    sides = [
        (side, [each for each in judged.judgements if each.claim.side is side]) for side in Side
    ]
    for side, judgements in sides:
        if judgements:
            yield _table(side, judgements)
    yield Heading(text="Why, claim by claim", key="claims", short="Why", level=Level.EVIDENCE)
    for side, judgements in sides:
        if judgements:
            yield Heading(text=_title(side), level=Level.EVIDENCE)
        yield from (_fold(each, lines) for each in judgements)


def _title(side: Side) -> str:
    return f"{side.value[0].upper()}{side.value[1:]}"


def _table(side: Side, judgements: list[Judgement]) -> Table:
    return Table(
        key=f"claims-{side.name.lower()}",
        title=_title(side),
        corner="claim",
        columns=_COLUMNS,
        rows=tuple(map(_row, judgements)),
    )


def _row(judgement: Judgement) -> Row:
    claim, finding = judgement.claim, judgement.finding
    measured = finding.measured
    return Row(
        heading=Cell(text=claim.id, hint=claim.statement),
        cells=(
            Cell(text=f"{SIGNS[finding.verdict]} {finding.verdict}", mark=MARKS[finding.verdict]),
            Cell(text=claim.published),
            Cell(
                text=figure(measured),
                value=measured.point if measured is not None else None,
                hint=measured.what if measured is not None else "",
            ),
            Cell(text=str(finding.blocks or ""), value=finding.blocks or None),
        ),
        evidence=_evidence(judgement),
    )


def _evidence(judgement: Judgement) -> Evidence:
    measured = judgement.finding.measured
    return Evidence(
        trials=tuple(pick(TrialSet, basis) for basis in judgement.finding.rests_on),
        low=measured.low if measured is not None else None,
        high=measured.high if measured is not None else None,
    )


def _fold(judgement: Judgement, lines: Mapping[Basis, str]) -> Fold:
    claim, finding = judgement.claim, judgement.finding
    return Fold(
        key=f"claim-{claim.id}",
        summary=f"{claim.id}: {claim.statement}",
        badge=f"{SIGNS[finding.verdict]} {finding.verdict}",
        mark=MARKS[finding.verdict],
        gist=figure(finding.measured),
        parts=tuple(_reasons(judgement, lines)),
    )


def _reasons(judgement: Judgement, lines: Mapping[Basis, str]) -> Iterator[Part]:
    claim, finding = judgement.claim, judgement.finding
    yield Sentence(
        lead=finding.verdict.value.capitalize(),
        text=f"{reason(finding)}.",
        evidence=_evidence(judgement),
        level=Level.EVIDENCE,
    )
    if finding.measured is not None:
        yield Sentence(lead="Measured", text=finding.measured.what, level=Level.EVIDENCE)
        yield from _strip(finding.measured)
    for detail in finding.details:
        yield Sentence(text=detail, level=Level.EVIDENCE)
    rests = tuple(
        f"{basis.experiment} {basis.arm}: {lines.get(basis) or f'{len(basis.trials)} trials'}"
        for basis in finding.rests_on
    )
    entries = (
        ("Published", (claim.published,)),
        ("Sources", (claim.sources,)),
        ("Tested by", (claim.test,)),
        ("Reproduced when", (claim.reproduced_when,)),
        ("p", (f"{finding.p:.2g}",) if finding.p is not None else ()),
        ("Rests on", rests),
    )
    yield Definitions(entries=tuple(entry for entry in entries if entry[1]))


def _strip(measured: Measured) -> Iterator[Strip]:
    if not measured.blocks:
        return
    shown = [measured.low, measured.high, measured.bound, *measured.blocks]
    yield Strip(
        blocks=measured.blocks,
        low=measured.low,
        high=measured.high,
        bound=measured.bound,
        ratio=measured.unit is Unit.TIMES,
        words=f"{len(measured.blocks)} blocks from {number(min(shown), measured.unit)} to "
        f"{number(max(shown), measured.unit)}; bound {number(measured.bound, measured.unit)} (the "
        "line across); the bar is the 95 % interval",
    )
