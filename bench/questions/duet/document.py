# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show the result of a duet as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.amounts import counted, digits, fine, given, share, time
from bench.judge.comparison import Compared, Outcome
from bench.judge.metrics import Group, Unit
from bench.judge.sharing import CarryOver
from bench.judge.statistics import FEWEST_BLOCKS
from bench.plan.config import Duet
from bench.plan.experiments import ArmName, Experiment
from bench.questions.duet.judge import Duel
from bench.questions.transports.words import opening
from bench.report import document as doc
from bench.report.table import columns, quantity, row

FORMAT: Final = 1
_MARKS: Final = {
    Outcome.UNDECIDED: doc.Mark.OPEN,
    Outcome.TOO_FEW: doc.Mark.OPEN,
    Outcome.EQUIVALENT: doc.Mark.SOFT,
}
_GAINS: Final = {"latency_p50_ns": "delivers sooner", "write_ns": "writes faster"}
"""What the better arm does, by the numbers that decide."""
LABELS: Final = {
    "latency_p50_ns": "median latency",
    "latency_p99_ns": "latency, 99th percentile",
    "write_ns": "time of a write in the kernel",
    "read_ns": "consumer's time to read a record",
    "consumer_cpu_s_per_million": "consumer's CPU time for a record",
}
_DESIGNS: Final = {"record": "by process", "solo": "each alone"}
_IN_NS: Final = {"consumer_cpu_s_per_million": 1e3}
"""Factors of numbers that are not in ns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberData:
    """Hold one number, the first arm's over the second's."""

    key: str
    first: float
    second: float
    ratio: float
    low: float
    high: float
    verdict: Outcome
    resolvable: float  # the smallest difference that could have been seen, as a share
    inexact: float  # share by which it may be too long: its records shared stamps
    storms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedData:
    """Hold how far a ratio soon after the washout is from the ratio later in the window."""

    key: str
    ratio: float
    low: float
    high: float
    by_age: tuple[tuple[float, float, float] | None, ...]  # low, ratio, high; washout and all


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetData:
    """Hold the JSON output; ``format`` is raised when a key changes its meaning."""

    format: int
    first: ArmName
    second: ArmName
    workload: str
    assign: str
    storms: int
    left_out: int
    lossy: int
    margin: float
    apart: tuple[float, float] | None  # of each arm's own records; null: not separable
    later_share: float | None
    p: float | None
    raised: tuple[float | None, float | None]  # wake-ups per record in the storms of either arm
    given_up: str
    journal: str
    numbers: tuple[NumberData, ...]
    carried: tuple[CarriedData, ...]  # empty without windows


def document(duet: Experiment, duel: Duel, *, margin: float, journal: str) -> doc.Document:
    """Return the answer: a sentence for each number, and the table behind it."""
    first, second = duet.arms
    rule = first.config.duet or Duet()
    data = doc.pick(
        DuetData,
        duel,
        format=FORMAT,
        first=first.name,
        second=second.name,
        workload=first.config.storm.shape.value,
        assign=assigned(rule),
        margin=margin,
        journal=journal,
        numbers=tuple(map(_number, duel.rows)),
        carried=tuple(map(_carried, duel.carried)),
    )
    return doc.Document(
        title=f"{_answer(data)}, {'each alone' if rule.solo else 'within the same storms'}",
        subject=(
            f"{counted(data.storms, 'storm')} ({data.workload}), assigned by {_words(rule)}; "
            f"equivalent means within {given(100 * margin, '%')}"
        ),
        parts=(*_parts(data), *_carry_over(duel.carried)),
        data=data,
        short=opening(design(data.assign)),
    )


def _answer(data: DuetData) -> str:
    """Return which arm delivers sooner and which writes faster, and what is undecided."""
    verdicts = {each.key: each.verdict for each in data.numbers if each.key in _GAINS}
    gains = [
        f"{better} {' and '.join(words)} than {other}"
        for better, other, wanted in (
            (data.first, data.second, Outcome.LESS),
            (data.second, data.first, Outcome.MORE),
        )
        if (words := [_GAINS[key] for key, verdict in verdicts.items() if verdict is wanted])
    ]
    states = ", ".join(
        f"{LABELS[key]} {verdict}"
        for key, verdict in verdicts.items()
        if verdict not in (Outcome.LESS, Outcome.MORE)
    )
    if gains:
        return ", ".join(gains) + (f" ({states})" if states else "")
    return f"{data.first} against {data.second}: {states or 'nothing could be compared'}"


def assigned(rule: Duet) -> str:
    """Return the rule in the form of --assign."""
    if rule.window_ns:
        return f"{rule.window_ns / 1e6:g}ms"
    return "solo" if rule.solo else "record"


def design(assign: str) -> str:
    """Return the words of --assign: "by process", "each alone", "windows of 1ms"."""
    return _DESIGNS.get(assign, f"windows of {assign}")


def _number(row: Compared) -> NumberData:
    found = row.estimate
    if found is None or row.left is None or row.right is None:
        raise ValueError(f"{row.key} was not measured")
    return doc.pick(
        NumberData,
        found,
        key=row.key,
        first=row.left,
        second=row.right,
        ratio=found.point,
        verdict=Outcome.EQUIVALENT if row.outcome is Outcome.EQUAL else row.outcome,
        resolvable=row.resolvable or 0.0,
        inexact=row.margin if row.group is Group.LATENCY else 0.0,
        storms=found.blocks,
    )


def _carried(found: CarryOver) -> CarriedData:
    ages = (None if each is None else (each.low, each.point, each.high) for each in found.by_age)
    beyond = found.beyond
    return doc.pick(CarriedData, beyond, key=found.key, ratio=beyond.point, by_age=tuple(ages))


def _words(rule: Duet) -> str:
    if rule.solo:
        return "storm, each arm alone in its own"
    if not rule.window_ns:
        return "process"
    return f"window of {time(rule.window_ns)}, the first {time(rule.washout_ns)} of each left out"


def _numbers(data: DuetData) -> Iterator[doc.Part]:
    """Yield a sentence for each number, and the table behind them."""
    if not data.numbers:
        text = "Nothing could be compared: no storm that counts has records of both arms."
        yield doc.Note(text=text, mark=doc.Mark.BAD)
        return
    rows = []
    for each in data.numbers:
        label, evidence = LABELS[each.key], doc.Evidence(low=each.low, high=each.high)
        yield doc.Sentence(lead=opening(label), text=_sentence(data, each), evidence=evidence)
        scale = _IN_NS.get(each.key, 1.0)
        cells = (
            quantity(each.first * scale, Unit.NS),
            quantity(each.second * scale, Unit.NS),
            doc.Cell(text=fine(each.ratio), value=each.ratio),
            f"{fine(each.low)} .. {fine(each.high)}",
            quantity(each.resolvable, Unit.SHARE),
            doc.Cell(text=each.verdict, mark=_MARKS.get(each.verdict, doc.Mark.GOOD)),
        )
        rows.append(row(label, *cells, evidence=evidence))
    # The title has the budgets; a narrow table would break names that have them within a word.
    arms = (arm.having(budget="", actual="") for arm in (data.first, data.second))
    yield doc.Table(
        key="numbers",
        title="First arm against second, each storm a pair",
        corner="number",
        columns=columns(*arms, "ratio", "95 % interval", "resolvable", verdict="verdict"),
        rows=tuple(rows),
    )


def _parts(data: DuetData) -> Iterator[doc.Part]:
    yield from _numbers(data)
    if data.later_share is not None and data.p is not None:
        chance = f"p = {data.p:.2g}" if data.p else "p < 1e-300"  # less than a double can hold
        yield doc.Note(
            text=f"A record of {data.first} was later than one of {data.second} in "
            f"{share(data.later_share)} of all pairs within a storm; by chance alone ranks "
            f"would differ so much with {chance} (the assignment was random)."
        )
    first, second = data.raised
    if first is not None and second is not None:
        words = f"{digits(first)}, by both arms together"
        if data.assign == "solo":
            words = f"{digits(first)} in storms of {data.first}, "
            words += f"{digits(second)} in those of {data.second}"
        if data.apart is not None:
            each_own = zip(data.apart, (data.first, data.second), strict=True)
            words += f"; {' and '.join(f'{digits(rate)} of {arm}' for rate, arm in each_own)}"
        yield doc.Note(text=f"Wake-ups raised for each record: {words}.")
    if inexact := max((each.inexact for each in data.numbers), default=0.0):
        yield doc.Note(
            text=f"Behind a backlog records shared stamps: latencies are too long by up to "
            f"{share(inexact)}, and no smaller difference counts."
        )
    if data.given_up:
        yield doc.Note(text=f"{opening(data.given_up)}.", mark=doc.Mark.OPEN)
    if data.lossy:
        text = f"{counted(data.lossy, 'storm')} with dropped records left out of latency."
        yield doc.Note(text=text, mark=doc.Mark.OPEN)
    if data.left_out:
        text = f"{counted(data.left_out, 'invalid or reduced storm')} left out."
        yield doc.Note(text=text, mark=doc.Mark.BAD)


def _carry_over(found: Sequence[CarryOver]) -> Iterator[doc.Note]:
    """Yield how much the previous window still matters after the washout."""
    begin = "Carry-over beyond the washout"
    if none := [each for each in found if not each.seen]:
        bounds = " and ".join(f"{share(each.bound)} in {LABELS[each.key]}" for each in none)
        yield doc.Note(text=f"{begin}: none above {bounds}.")
    for each in found:
        if each.seen:
            low, high = sorted(abs(edge - 1) for edge in (each.beyond.low, each.beyond.high))
            change = f"it changes the ratio by {share(low)} to {share(high)}; take longer windows."
            yield doc.Note(text=f"{begin} in {LABELS[each.key]}: {change}", mark=doc.Mark.OPEN)


def _sentence(data: DuetData, each: NumberData) -> str:
    interval = f"({fine(each.ratio)} times, {fine(each.low)} to {fine(each.high)})"
    least = share(each.resolvable)
    match each.verdict:
        case Outcome.EQUIVALENT:
            return f"equivalent within {given(100 * data.margin, '%')} {interval}."
        case Outcome.LESS | Outcome.MORE:
            seen = f"differences from {least} on could be seen"
            return f"{each.verdict} for {data.first} {interval}; {seen}."
        case Outcome.TOO_FEW:
            return f"{each.verdict}: {each.storms}, and a verdict needs {FEWEST_BLOCKS}."
    unseen = f"a difference of less than {least} could not have been seen"
    return f"{each.verdict} {interval}: {unseen}."
