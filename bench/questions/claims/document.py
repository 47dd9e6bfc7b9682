# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judged claims as a document: the verdicts first, then the reasons, claim by claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from bench.amounts import counted
from bench.judge.metrics import Unit
from bench.linux.machine import Machine
from bench.questions.claims.catalogue import Judged, Judgement
from bench.questions.claims.claim import Claim, Finding, Measured, Side, Verdict
from bench.questions.claims.evidence import Basis
from bench.questions.claims.expectations import Expectations, failure
from bench.questions.claims.sources import links
from bench.questions.transports.data import PlanData
from bench.questions.transports.measures import origin
from bench.questions.transports.words import (
    completeness,
    incomplete,
    machine_words,
    repeats,
)
from bench.report.document import (
    Cell,
    Check,
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
    Passing,
    Row,
    Sentence,
    Strip,
    Table,
    TrialSet,
    pick,
)
from bench.report.units import clean, number

FORMAT: Final = 1

SIGNS: Final = dict(zip(Verdict, "✓✗?--", strict=True))
SPOKEN: Final = (Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE)
"""Verdicts of a claim that trials speak to."""
MARKS: Final = dict(
    zip(Verdict, (Mark.GOOD, Mark.BAD, Mark.OPEN, Mark.SOFT, Mark.SOFT), strict=True)
)

_PASSING: Final = {Verdict.REPRODUCED: Passing.PASSED, Verdict.REFUTED: Passing.FAILED}

_COLUMNS: Final = (
    Column(heading="verdict", numeric=False, verdict=True),
    Column(heading="published", numeric=False),
    Column(heading="measured (95 % interval)", numeric=False),
    Column(heading="blocks"),
)

_NOT_IN_JSON: Final = ("rule", "experiments", "cpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberData:
    """A number with the bounds of its 95 % interval."""

    what: str
    unit: Unit
    point: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredData(NumberData):
    """The number that decided."""

    bound: float  # what the interval was held against


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialData:
    """A trial, by its run and block."""

    run: int
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisData:
    """Trials of one arm that a verdict rests on."""

    experiment: str
    arm: str
    trials: tuple[TrialData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData:
    """A claim and its verdict."""

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
    measured: MeasuredData | None
    blocks: int
    p: float | None
    further_blocks: int | None
    details: tuple[str, ...]
    rests_on: tuple[BasisData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedData:
    """The verdicts on one machine."""

    machine: Machine | None
    plan: PlanData | None  # how much of it ran
    claims: tuple[ClaimData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsData:
    """What JSON has: every machine."""

    format: int
    machines: tuple[JudgedData, ...]


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
    """Say how many of the claims that could be judged came out how: "24 of 31 reproduced"."""
    counts = Counter(each.finding.verdict for each in judged.judgements)
    of = sum(counts[verdict] for verdict in SPOKEN)
    reproduced = counts.pop(Verdict.REPRODUCED, 0)
    text = f"{reproduced} of {counted(of, 'claim')} reproduced"
    if not of:
        text = f"None of {counted(len(judged.judgements), 'claim')} could be judged"
    text += "".join(f", {counts[each]} {each}" for each in SPOKEN if counts[each])
    if judged.reduced:
        text += f"; {counted(judged.reduced, 'reduced trial was', 'reduced trials were')} left out"
    return incomplete(judged.coverage) + text


def notes(judged: Judged) -> Iterator[str]:
    """Yield what the runs lack, and how many trials were given more than once."""
    if judged.coverage is not None:
        yield from completeness(judged.coverage)
        yield from repeats(judged.coverage.repeated)


def data_of(*documents: Document) -> ClaimsData:
    """Return what JSON has of several machines; format goes up when a key changes its meaning."""
    return ClaimsData(format=FORMAT, machines=tuple(each.data for each in documents))


def document(
    judged: Judged,
    lines: Mapping[Basis, str] | None = None,
    *,
    expected: Expectations | None = None,
    strict: bool = False,
) -> Document:
    """Return the verdicts on one machine; ``lines`` say where in journals a basis stands.

    ``expected`` verdicts are what its checks go by.
    """
    return Document(
        title=tally(judged),
        subject=machine_words(judged.machine),
        parts=tuple(_parts(judged, lines or {})),
        data=pick(
            JudgedData,
            judged,
            plan=PlanData.of(judged.coverage),
            claims=tuple(map(_data, judged.judgements)),
        ),
        short="Claims",
        origin=origin(judged.machine),
        checks=tuple(_checks(judged, expected or {}, strict=strict)),
    )


def _checks(judged: Judged, expected: Expectations, *, strict: bool) -> Iterator[Check]:
    """Yield a check of each claim; one that is expected passes if it came out so."""
    for each in judged.judgements:
        made, wanted = check(each.claim, each.finding), expected.get(each.claim.id)
        if wanted is not None:
            passed = Passing.PASSED if each.finding.verdict is wanted else Passing.SKIPPED
            failed = failure(expected, each, strict=strict)
            outcome = Passing.FAILED if failed else passed
            made = replace(made, outcome=outcome, text=f"expected {wanted}; {made.text}")
        yield made


def check(claim: Claim, finding: Finding) -> Check:
    """Return the verdict for programs: reproduced is passed, refuted is failed."""
    said = ", ".join(filter(None, (figure(finding.measured), reason(finding))))
    return Check(
        name=claim.id,
        outcome=_PASSING.get(finding.verdict, Passing.SKIPPED),
        text=f"{finding.verdict}: {said}",
    )


def _data(judgement: Judgement) -> ClaimData:
    claim, finding = judgement.claim, judgement.finding
    named = {each.name: getattr(claim, each.name) for each in fields(claim)}
    return pick(
        ClaimData,
        finding,
        **{name: value for name, value in named.items() if name not in _NOT_IN_JSON},
        measured=None if finding.measured is None else pick(MeasuredData, finding.measured),
        further_blocks=finding.further_blocks if judgement.open else None,
        rests_on=tuple(
            BasisData(
                experiment=basis.experiment,
                arm=basis.arm,
                trials=tuple(TrialData(run=run, block=block) for run, block in basis.trials),
            )
            for basis in finding.rests_on
        ),
    )


def _parts(judged: Judged, lines: Mapping[Basis, str]) -> Iterator[Part]:
    yield from (Note(text=line, mark=Mark.OPEN) for line in notes(judged))
    by_verdict = {
        verdict: found
        for verdict in Verdict
        if (found := [each for each in judged.judgements if each.finding.verdict is verdict])
    }
    for verdict in (Verdict.REFUTED, Verdict.INCONCLUSIVE):
        yield from map(_decision, by_verdict.get(verdict, ()))
    by_side = {
        side: found
        for side in Side
        if (found := [e for v in SPOKEN for e in by_verdict.get(v, ()) if e.claim.side is side])
    }
    for side, found in by_side.items():
        if names := [e.claim.id for e in found if e.finding.verdict is Verdict.REPRODUCED]:
            sign = SIGNS[Verdict.REPRODUCED]
            yield Sentence(lead=f"{sign} reproduced, {side}", text=", ".join(names))
    unjudged = {verdict: found for verdict, found in by_verdict.items() if verdict not in SPOKEN}
    text = "; ".join(f"{verdict}: {_grouped(found)}" for verdict, found in unjudged.items())
    if text:
        yield Note(text=f"{text[0].upper()}{text[1:]}")
    for side, found in by_side.items():
        yield Table(
            key=f"claims-{side.name.lower()}",
            title=side.heading,
            corner="claim",
            columns=_COLUMNS,
            rows=tuple(map(_row, found)),
            level=Level.EVIDENCE,
        )
    yield Heading(text="Why, claim by claim", key="claims", short="Why", level=Level.EVIDENCE)
    for found in by_side.values():
        yield from (_fold(each, lines, _badge(each.finding)) for each in found)
    if text:
        folds = tuple(_fold(each, lines) for found in unjudged.values() for each in found)
        summary = f"Claims that could not be judged: {len(folds)}"
        yield Fold(key="not-judged", summary=summary, parts=folds)


def _decision(judgement: Judgement) -> Sentence:
    claim, finding = judgement.claim, judgement.finding
    measured = finding.measured
    found = f"; {measured.what}: {figure(measured)}" if measured is not None else ""
    return Sentence(
        lead=f"{_badge(finding)}, {claim.id}",
        text=f"{claim.statement}{found}; {reason(finding)}",
        evidence=_evidence(finding),
    )


def _grouped(judgements: Iterable[Judgement]) -> str:
    """Return names by reason; of missing experiments each claim's fold says which."""
    by_reason: dict[str, list[str]] = {}
    for each in judgements:
        why = each.finding.reason
        if each.finding.verdict is Verdict.NOT_MEASURED:
            why = why.partition(" of ")[0]
        by_reason.setdefault(why, []).append(each.claim.id)
    return "; ".join(f"{', '.join(names)} ({clean(why)})" for why, names in by_reason.items())


def _badge(finding: Finding) -> str:
    return f"{SIGNS[finding.verdict]} {finding.verdict}"


def _evidence(finding: Finding) -> Evidence:
    return Evidence(
        trials=tuple(pick(TrialSet, basis) for basis in finding.rests_on),
        low=finding.measured.low if finding.measured is not None else None,
        high=finding.measured.high if finding.measured is not None else None,
    )


def _row(judgement: Judgement) -> Row:
    claim, finding, measured = judgement.claim, judgement.finding, judgement.finding.measured
    number_cell = Cell(text="in words, see why")
    if measured is not None:
        number_cell = Cell(text=f"{measured.what}: {figure(measured)}", value=measured.point)
    return Row(
        heading=Cell(text=claim.id, hint=claim.statement),
        cells=(
            Cell(text=_badge(finding), mark=MARKS[finding.verdict]),
            Cell(text=claim.published),
            number_cell,
            Cell(text=str(finding.blocks), value=finding.blocks),
        ),
        evidence=_evidence(finding),
    )


def _fold(judgement: Judgement, lines: Mapping[Basis, str], badge: str = "") -> Fold:
    claim, finding = judgement.claim, judgement.finding
    return Fold(
        key=claim.id,
        summary=f"{claim.id}: {claim.statement}",
        badge=badge,
        mark=MARKS[finding.verdict],
        gist=figure(finding.measured),
        parts=tuple(_reasons(claim, finding, lines)),
        links=tuple(links(claim.sources)),
    )


def _reasons(claim: Claim, finding: Finding, lines: Mapping[Basis, str]) -> Iterator[Part]:
    yield Sentence(
        lead=finding.verdict.value.capitalize(),
        text=f"{reason(finding)}.",
        evidence=_evidence(finding),
        level=Level.EVIDENCE,
    )
    measured = finding.measured
    if measured is not None:
        yield Sentence(lead="Measured", text=measured.what, level=Level.EVIDENCE)
    if measured is not None and measured.blocks:
        shown = [measured.low, measured.high, measured.bound, *measured.blocks]
        least, most, bound = (
            number(value, measured.unit) for value in (min(shown), max(shown), measured.bound)
        )
        yield pick(
            Strip,
            measured,
            ratio=measured.unit is Unit.TIMES,
            words=f"{counted(len(measured.blocks), 'block')} from {least} to {most}; bound "
            f"{bound} (the line across); the bar is the 95 % interval",
            level=Level.BACKGROUND,
        )
    yield from (Sentence(text=detail, level=Level.EVIDENCE) for detail in finding.details)
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
    yield Definitions(entries=tuple(entry for entry in entries.items() if entry[1]))
