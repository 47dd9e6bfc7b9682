# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report on a fleet as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from bench.amounts import counted
from bench.judge.comparison import Outcome
from bench.judge.statistics import Scale
from bench.questions.claims.claim import Verdict
from bench.questions.fleet.judge import ClaimOver, Fleet, Member, Number
from bench.questions.transports.standing import Question
from bench.report import document as parts
from bench.report.document import (
    NONE,
    Cell,
    Column,
    Document,
    Effect,
    Effects,
    Forest,
    Level,
    Mark,
    Note,
    Sentence,
)
from bench.report.units import budget, share

_SIDES: Final = {Outcome.LESS: "less", Outcome.MORE: "more"}
_ASKED: Final = {
    Question.DROPS: "Drops",
    Question.ORDER: "Causal violations",
    Question.MEMORY: "Memory",
    Question.LATENCY: "Median latency",
    Question.CPU: "Consumer CPU",
    Question.WRITE: "Time of a write",
}
_SIGNS: Final = {
    Verdict.REPRODUCED: ("✓", Mark.GOOD),
    Verdict.REFUTED: ("✗", Mark.BAD),
    Verdict.INCONCLUSIVE: ("?", Mark.OPEN),
}
_LARGE: Final = 10.0  # times: fewer digits
_MOST_COLUMNS: Final = 12  # machines of the matrix; of more, only how many
_MOST_IN_FOREST: Final = 40
_MOST_SENTENCES: Final = 8  # of facts and of machines unlike the others


def document(fleet: Fleet) -> Document:
    """Return what all machines say together, and which are unlike the others."""
    return Document(
        title=f"{counted(len(fleet.members), 'machine')}: what holds on all, and what does not",
        subject="; ".join(_subject(fleet.members)),
        parts=tuple(_parts(fleet)),
        data=fleet,
        short="Fleet",
    )


def _subject(members: Sequence[Member]) -> Iterator[str]:
    for fact in ("kernel", "CPUs", "virtualisation"):
        values = sorted({each.facts.get(fact, "?") for each in members})
        yield f"{fact} {', '.join(values[:6])}{' and more' if len(values) > 6 else ''}"


def _parts(fleet: Fleet) -> Iterator[parts.Part]:
    for question, number in _headlines(fleet.numbers):
        yield Sentence(lead=_ASKED[question], text=_sentence(number))
    if fleet.claims:
        yield Sentence(lead="Claims", text=_of_claims(fleet.claims))
    yield from _unlike(fleet.numbers)
    if fleet.numbers:
        yield _numbers(fleet.numbers)
        yield _forest(fleet.numbers)
    if fleet.claims:
        yield _claims(fleet.claims)
    if fleet.claims and len(fleet.members) <= _MOST_COLUMNS:
        yield _matrix(fleet)
    yield Note(
        text="Each machine compares its own two arms; times of two machines never meet. Mean: "
        "random effects over machines, with its 95 % interval. Next: where the true value of one "
        "more machine of this kind lies (95 % prediction interval). I²: the share of what "
        "machines differ by that is not chance.",
        level=Level.EVIDENCE,
    )


def _headlines(numbers: Sequence[Number]) -> Iterator[tuple[Question, Number]]:
    """Yield of each question one number that at least half as many machines have as any.

    Of latency and writes duets, else blocks, of order the chain, then what most machines have, at
    64 KiB.
    """
    for question in Question:
        of = [each for each in numbers if each.question is question]
        most = max((len(each.told) for each in of), default=0)
        often = [each for each in of if 2 * len(each.told) >= most]
        if often:
            yield question, max(often, key=_preference)


def _preference(number: Number) -> tuple[bool, bool, int, bool]:
    of_order = number.question is Question.ORDER and number.experiment == "chain"
    within_storms = number.question in (Question.LATENCY, Question.WRITE)
    return (
        number.experiment.endswith("duet") is within_storms,
        of_order,
        len(number.told),
        number.budget == "64KiB",
    )


def _sentence(number: Number) -> str:
    counts = Counter(_SIDES.get(each.outcome, "undecided or equal") for each in number.told)
    votes = ", ".join(f"{words} on {counts[words]}" for words in sorted(counts))
    next_one = _between(number, number.next_low, number.next_high, " to ")
    said = f"; the next machine's lies from {next_one}" if next_one else ""
    return (
        f"{number.left} against {number.right} in {number.experiment}: "
        f"{_effect(number, number.point, number.low, number.high)} over "
        f"{counted(len(number.told), 'machine')}{said}; {votes}."
    )


def _effect(number: Number, point: float, low: float, high: float) -> str:
    return f"{_value(number, point)} ({_between(number, low, high, ' to ')})"


def _between(number: Number, low: float | None, high: float | None, word: str) -> str:
    if low is None or high is None:
        return ""
    return f"{_value(number, low)}{word}{_value(number, high)}"


def _value(number: Number, value: float) -> str:
    if number.scale is Scale.RATIO:
        return f"{value:.3f} times" if value < _LARGE else f"{value:,.3g} times"
    return f"{100 * value:+.2f} points"


def _of_claims(claims: Sequence[ClaimOver]) -> str:
    judged = [each for each in claims if _decided(each)]
    everywhere = sum(each.counted(Verdict.REPRODUCED) == _decided(each) for each in judged)
    mixed = [each.id for each in judged if 0 < each.counted(Verdict.REFUTED) < _decided(each)]
    text = f"{everywhere} of {len(judged)} reproduced wherever they were judged"
    return text + (f"; refuted on some machines only: {', '.join(mixed)}." if mixed else ".")


def _decided(claim: ClaimOver) -> int:
    return sum(claim.counted(each) for each in _SIGNS)


def _unlike(numbers: Sequence[Number]) -> Iterator[parts.Part]:
    """Yield the facts that go with a difference, and the machines unlike the others."""
    splits = sorted(
        ((number, split) for number in numbers for split in number.splits),
        key=lambda each: each[1].p,
    )
    for number, split in splits[:_MOST_SENTENCES]:
        yield Sentence(
            lead=f"{_ASKED[number.question]} goes with {split.fact}",
            text=f"{_value(number, split.point)} on {counted(split.machines, 'machine')} with "
            f"{split.value}, {_value(number, split.others_point)} on {split.others} others "
            f"({number.experiment}, {budget(number.budget)}; p = {split.p:.2g}).",
        )
    if len(splits) > _MOST_SENTENCES:
        yield Note(text=f"{len(splits) - _MOST_SENTENCES} more such facts are in the JSON.")
    unlike = Counter(name for number in numbers for name in number.apart)
    for name, count in unlike.most_common(_MOST_SENTENCES):
        yield Sentence(lead="Unlike the others", text=f"{name}, in {counted(count, 'number')}.")


def _numbers(numbers: Sequence[Number]) -> parts.Table:
    headings = ("machines", "mean", "95 % interval", "next machine", "I²", "less", "more")
    return parts.Table(
        key="numbers",
        title="Every number over machines",
        corner="number",
        columns=tuple(Column(heading=each) for each in headings),
        rows=parts.rows((_label(each), _cells(each)) for each in numbers),
        level=Level.EVIDENCE,
    )


def _label(number: Number) -> str:
    of = f"{_ASKED[number.question]}, {number.experiment} at {budget(number.budget)}"
    return f"{of}: {number.left} against {number.right}"


def _cells(number: Number) -> Iterator[Cell]:
    yield Cell(text=f"{len(number.told)}", value=len(number.told))
    yield Cell(text=_value(number, number.point), value=number.point)
    for low, high in ((number.low, number.high), (number.next_low, number.next_high)):
        yield Cell(text=_between(number, low, high, " .. ") or NONE)
    yield Cell(text=share(number.inconsistency), value=number.inconsistency)
    for outcome in _SIDES:
        count = sum(each.outcome is outcome for each in number.told)
        yield Cell(text=f"{count}", value=count)


def _forest(numbers: Sequence[Number]) -> Forest:
    """Return a row for each machine, and one for all, of each question's main number."""
    return Forest(
        key="machines",
        title="Machine by machine",
        groups=tuple(
            Effects(
                title=f"{_ASKED[question]}: {number.left} against {number.right}",
                ratio=number.scale is Scale.RATIO,
                rows=tuple(_effects(number)),
                more=f"{len(number.told) - _MOST_IN_FOREST} more machines"
                if len(number.told) > _MOST_IN_FOREST
                else "",
            )
            for question, number in _headlines(numbers)
            if len({(each.low, each.high) for each in number.told}) > 1
        ),
        hint="Left of the line the first arm has less. Diamond: all machines together.",
    )


def _effects(number: Number) -> Iterator[Effect]:
    told = sorted(number.told, key=lambda each: each.member not in number.apart)
    rows = [(each.member, each.point, each.low, each.high) for each in told[:_MOST_IN_FOREST]]
    for label, point, low, high in (*rows, ("all", number.point, number.low, number.high)):
        yield Effect(
            label=label,
            key="table-numbers",
            point=point,
            low=low,
            high=high,
            margin=0.0,
            words=_effect(number, point, low, high),
            duet=label == "all",
        )


def _claims(claims: Sequence[ClaimOver]) -> parts.Table:
    headings = ("reproduced", "refuted", "inconclusive", "refuted on", "which have")
    return parts.Table(
        key="claims",
        title="Claims over machines",
        corner="claim",
        columns=tuple(
            Column(heading=each, numeric=place < 3) for place, each in enumerate(headings)
        ),
        rows=tuple(
            parts.Row(
                heading=Cell(text=each.id, hint=each.statement),
                cells=(
                    *(
                        Cell(text=f"{each.counted(verdict)}", value=each.counted(verdict))
                        for verdict in _SIGNS
                    ),
                    Cell(text=_refuting(each)),
                    Cell(text=", ".join(each.refuted_have) or NONE),
                ),
            )
            for each in claims
        ),
        level=Level.EVIDENCE,
    )


def _refuting(claim: ClaimOver) -> str:
    names = [name for name, each in claim.verdicts.items() if each is Verdict.REFUTED]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more if names else NONE


def _matrix(fleet: Fleet) -> parts.Table:
    names = [each.name for each in fleet.members]
    return parts.Table(
        key="matrix",
        title="Machine by claim",
        corner="claim",
        columns=tuple(Column(heading=each, numeric=False) for each in names),
        rows=parts.rows(
            (claim.id, (_verdict(claim.verdicts.get(name)) for name in names))
            for claim in fleet.claims
        ),
        level=Level.BACKGROUND,
    )


def _verdict(verdict: Verdict | None) -> Cell:
    if verdict not in _SIGNS:
        return Cell(text=NONE)
    sign, mark = _SIGNS[verdict]
    return Cell(text=f"{sign} {verdict.value}", mark=mark)
