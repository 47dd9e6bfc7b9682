# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report on a fleet as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap
from typing import Final

from bench.amounts import counted, fine, points
from bench.judge.comparison import Outcome
from bench.judge.metrics import Unit
from bench.judge.statistics import Scale
from bench.questions.claims.claim import Verdict
from bench.questions.claims.words import MARKS, SIGNS, SPOKEN
from bench.questions.fleet.judge import ClaimOver, Fleet, Member, Number, OnMachine
from bench.questions.transports.decision import WORDS
from bench.questions.transports.standing import Question
from bench.questions.transports.words import listed
from bench.report import document as doc
from bench.report.document import NONE, Cell, Document, Heading, Level, Note, Sentence
from bench.report.table import Value, columns, quantity, row
from bench.report.units import budget

_SIDES: Final = {Outcome.LESS: "less", Outcome.MORE: "more"}
_MOST_COLUMNS: Final = 12  # of a matrix; with more machines it has a row per machine
_MOST_ROWS: Final = 1_000  # machines of the matrix; the JSON has all
_MOST_IN_FOREST: Final = 40
_MOST_SENTENCES: Final = 8  # of facts and of machines unlike the others


def document(fleet: Fleet) -> Document:
    """Return the results of all machines together, and the machines that differ."""
    return Document(
        title=_title(fleet),
        subject="; ".join(_subject(fleet.members)),
        parts=tuple(_parts(fleet)),
        data=fleet,
        short="Fleet",
    )


def _title(fleet: Fleet) -> str:
    """Return the numbers at which each arm is better on every machine, and the others."""
    gains: dict[str, list[str]] = {}
    others: list[str] = []
    for question, number in _headlines(fleet.numbers):
        noun, gain, *_ = WORDS[question]
        outcomes = {each.outcome for each in number.machines}
        match [*outcomes] if len(number.machines) == len(fleet.members) else []:
            case [Outcome.LESS]:
                gains.setdefault(number.left, []).append(gain)
            case [Outcome.MORE]:
                gains.setdefault(number.right, []).append(gain)
            case _:
                others.append(noun)
    on = f"On all {counted(len(fleet.members), 'machine')}"
    said = "; ".join(f"{arm} has {listed(of)}" for arm, of in gains.items())
    rest = f"; equal, undecided, mixed or partly measured: {listed(others)}" if others else ""
    return f"{on} {said or 'no arm is better'}{rest}"


def _subject(members: Sequence[Member]) -> Iterator[str]:
    for fact in ("kernel", "CPUs", "virtualisation"):
        values = sorted({each.facts.get(fact, "?") for each in members})
        yield f"{fact} {', '.join(values[:6])}{' and more' if len(values) > 6 else ''}"


def _parts(fleet: Fleet) -> Iterator[doc.Part]:
    for question, number in _headlines(fleet.numbers):
        yield Sentence(lead=question.heading, text=_sentence(number))
    if fleet.claims:
        yield Sentence(lead="Claims", text=_of_claims(fleet.claims))
    yield from _unlike(fleet.numbers)
    if fleet.numbers:
        yield _forest(fleet.numbers)
        yield _numbers(fleet.numbers)
    yield Note(
        text="Each machine compares its own two arms; times of two machines are not compared. "
        "Mean: random effects over machines, with its 95 % interval. Next: where the true value "
        "of one more machine of this kind lies (95 % prediction interval). I²: the share of the "
        "differences between machines that is not chance.",
        level=Level.EVIDENCE,
    )
    if fleet.claims:
        yield Heading(text="Claims", key="claims", level=Level.EVIDENCE)
        yield _claims(fleet.claims)
        yield Heading(text="Machine by claim", key="matrix", level=Level.BACKGROUND)
        yield from _matrix(fleet)


def _headlines(numbers: Sequence[Number]) -> Iterator[tuple[Question, Number]]:
    """Yield for each question a number from at least half as many machines as any has.

    Preferred are duets for latency and writes, blocks for the rest, chains for order, then the
    number of most machines, at 64 KiB.
    """
    for question in Question:
        of = [each for each in numbers if each.question is question]
        most = max((len(each.machines) for each in of), default=0)
        often = [each for each in of if 2 * len(each.machines) >= most]
        if often:
            yield question, max(often, key=_preference)


def _preference(number: Number) -> tuple[bool, bool, int, bool]:
    of_order = number.question is Question.ORDER and number.experiment == "chain"
    within_storms = number.question in (Question.LATENCY, Question.WRITE)
    return (
        number.experiment.endswith("duet") is within_storms,
        of_order,
        len(number.machines),
        number.budget == "64KiB",
    )


def _sentence(number: Number) -> str:
    counts = Counter(_SIDES.get(each.outcome, "undecided or equal") for each in number.machines)
    votes = ", ".join(f"{words} on {counts[words]}" for words in sorted(counts))
    next_one = _between(number, number.next_low, number.next_high, " to ")
    said = f"; the next machine's lies from {next_one}" if next_one else ""
    return (
        f"{_arms(number)} in {number.experiment}: {_effect(number, number)} over "
        f"{counted(len(number.machines), 'machine')}{said}; {votes}."
    )


def _effect(number: Number, of: Number | OnMachine) -> str:
    return f"{_value(number, of.point)} ({_between(number, of.low, of.high, ' to ')})"


def _between(number: Number, low: float | None, high: float | None, word: str) -> str:
    if low is None or high is None:
        return ""
    first = _value(number, low).removesuffix(" times").removesuffix(" pt")
    return f"{first}{word}{_value(number, high)}"


def _value(number: Number, value: float) -> str:
    if number.scale is Scale.RATIO:
        return f"{fine(value)} times"
    return points(value)


def _of_claims(claims: Sequence[ClaimOver]) -> str:
    judged = [each for each in claims if _decided(each)]
    everywhere = sum(each.counted(Verdict.REPRODUCED) == _decided(each) for each in judged)
    mixed = [each.id for each in judged if 0 < each.counted(Verdict.REFUTED) < _decided(each)]
    text = f"{everywhere} of {len(judged)} reproduced wherever they were judged"
    return text + (f"; refuted on some machines only: {', '.join(mixed)}." if mixed else ".")


def _decided(claim: ClaimOver) -> int:
    return sum(claim.counted(each) for each in SPOKEN)


def _unlike(numbers: Sequence[Number]) -> Iterator[doc.Part]:
    """Yield the facts that go with a difference, and the machines unlike the others.

    Of a fact with two values, one suffices.
    """
    splits = []
    for number in numbers:
        known = set[tuple[str, int]]()
        for split in number.splits:  # the most certain first
            if (split.fact, split.others) not in known:
                splits.append((number, split))
            known.add((split.fact, split.machines))
    splits.sort(key=lambda each: each[1].p)
    for number, split in splits[:_MOST_SENTENCES]:
        yield Sentence(
            lead=f"{number.question.heading} goes with {split.fact}",
            text=f"{_value(number, split.point)} on {counted(split.machines, 'machine')} with "
            f"{split.value}, {_value(number, split.others_point)} on {split.others} others "
            f"({number.experiment}, {budget(number.budget)}; p = {split.p:.2g}).",
        )
    if len(splits) > _MOST_SENTENCES:
        yield Note(text=f"{len(splits) - _MOST_SENTENCES} more such facts are in the JSON.")
    unlike = Counter(name for number in numbers for name in number.apart)
    for name, count in unlike.most_common(_MOST_SENTENCES):
        yield Sentence(lead="Unlike the others", text=f"{name}, in {counted(count, 'number')}.")


def _table(
    key: str,
    title: str,
    headings: Sequence[str],
    rows: Iterable[Iterable[Value]],
    *,
    corner: str = "claim",
    words: Sequence[str] = (),
    level: Level = Level.EVIDENCE,
) -> doc.Table:
    """Return a table; the first value of a row is its heading, columns of ``words`` hold text."""
    return doc.Table(
        key=key,
        title=title,
        corner=corner,
        columns=columns(*headings, text=words),
        rows=tuple(starmap(row, rows)),
        level=level,
    )


def _numbers(numbers: Sequence[Number]) -> doc.Table:
    headings = ("machines", "mean", "95 % interval", "next machine", "I²", "less", "more")
    title = "Every number over machines"
    return _table("numbers", title, headings, map(_cells, numbers), corner="number")


def _arms(number: Number) -> str:
    return f"{number.left} against {number.right}"


def _cells(number: Number) -> Iterator[Value]:
    where = f"{number.experiment} at {budget(number.budget)}"
    yield f"{number.question.heading}, {where}: {_arms(number)}"
    yield len(number.machines)
    yield Cell(text=_value(number, number.point), value=number.point)
    for low, high in ((number.low, number.high), (number.next_low, number.next_high)):
        yield _between(number, low, high, " .. ") or NONE
    yield quantity(number.inconsistency, Unit.SHARE)
    for outcome in _SIDES:
        yield sum(each.outcome is outcome for each in number.machines)


def _forest(numbers: Sequence[Number]) -> doc.Forest:
    """Return a row for each machine, and one for all, of each question's main number."""
    return doc.Forest(
        key="machines",
        title="Machine by machine",
        groups=tuple(
            doc.Effects(
                title=f"{question.heading}, {number.experiment}, {budget(number.budget)}",
                ratio=number.scale is Scale.RATIO,
                rows=tuple(_effects(number)),
                more=f"{len(number.machines) - _MOST_IN_FOREST} more machines"
                if len(number.machines) > _MOST_IN_FOREST
                else "",
            )
            for question, number in _headlines(numbers)
            if len({(each.low, each.high) for each in number.machines}) > 1
        ),
        hint="Left of the line the first arm has less. Diamond: all machines together.",
    )


def _effects(number: Number) -> Iterator[doc.Effect]:
    first = sorted(number.machines, key=lambda each: each.member not in number.apart)
    rows: list[OnMachine | Number] = [*first[:_MOST_IN_FOREST], number]
    for each in rows:
        yield doc.pick(
            doc.Effect,
            each,
            label=each.member if isinstance(each, OnMachine) else "all",
            key="table-numbers",
            margin=0.0,
            words=_effect(number, each),
            duet=each is number,
            better="",
        )


def _claims(claims: Sequence[ClaimOver]) -> doc.Table:
    words = ("refuted on", "which have")
    headings = (*map(str, SPOKEN), *words)
    return _table("claims", "Claims over machines", headings, map(_counts, claims), words=words)


def _counts(claim: ClaimOver) -> Iterator[Value]:
    yield Cell(text=claim.id, hint=claim.statement)
    yield from map(claim.counted, SPOKEN)
    names = [name for name, each in claim.verdicts.items() if each is Verdict.REFUTED]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    yield ", ".join(names[:3]) + more or NONE
    yield ", ".join(claim.refuted_have) or NONE


def _matrix(fleet: Fleet) -> Iterator[doc.Part]:
    """Yield a row for each claim or, for many machines, for each machine, some claims per table."""
    names, level = [each.name for each in fleet.members], Level.BACKGROUND
    rows: Iterable[Iterable[Value]]
    if len(names) <= _MOST_COLUMNS:
        rows = ((each.id, *(_verdict(each, name) for name in names)) for each in fleet.claims)
        yield _table("matrix", "Machine by claim", names, rows, words=names, level=level)
        return
    for first in range(0, len(fleet.claims), _MOST_COLUMNS):
        claims = fleet.claims[first : first + _MOST_COLUMNS]
        heads = [each.id for each in claims]
        rows = ((name, *(_verdict(each, name) for each in claims)) for name in names[:_MOST_ROWS])
        title = f"Machine by claim, {heads[0]} to {heads[-1]}"
        key = f"matrix-{first}"
        yield _table(key, title, heads, rows, corner="machine", words=heads, level=level)
    if more := names[_MOST_ROWS:]:
        yield Note(text=f"{counted(len(more), 'more machine')} are in the JSON.", level=level)


def _verdict(claim: ClaimOver, machine: str) -> Cell:
    verdict = claim.verdicts.get(machine)
    if verdict not in SPOKEN:
        return Cell(text=NONE)
    return Cell(text=f"{SIGNS[verdict]} {verdict}", mark=MARKS[verdict])
