# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer "when should the consumer be woken?" as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from bench.amounts import counted, digits, given, share, size, times
from bench.judge.metrics import Unit
from bench.questions.sizing import document as sizing
from bench.questions.sizing.plan import Load
from bench.questions.transports.words import name, opening
from bench.questions.tune.axis import Axis
from bench.questions.tune.judge import Number, Point
from bench.questions.tune.plan import Setting
from bench.questions.tune.run import Tuned
from bench.questions.tune.terms import Buffers, Term, terms
from bench.report import document as doc
from bench.report.table import columns, quantity, row
from bench.report.units import number

FORMAT: Final = 1

_PER_RECORD_NS: Final = 1e3  # of a second per million records


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Hold the request, and the result of each transport."""

    load: Load
    axis: Axis
    within_ms: float  # of BALANCE
    exits_per_s: float  # as seen
    workers: int  # that make the storm
    buffers: Mapping[str, Buffers]
    tuned: Mapping[str, Tuned]  # the best first
    beside: Number | None  # the first over the second, on the axis, in duets
    journal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportData:
    """Hold one transport's result; ``setting`` is the default if duets did not confirm another."""

    setting: Setting
    confirmed: bool
    reason: str
    sentence: str
    check: Point | None
    terms: tuple[Term, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneData:
    """Hold the JSON output; ``format`` is raised when a key changes its meaning."""

    format: int
    load: Load
    axis: Axis
    within_ms: float
    exits_per_s_seen: float
    journal: str
    recommended: str  # a transport
    beside: Number | None  # it over the next one, on the axis, in duets; null: no other
    transports: dict[str, TransportData]


def document(question: Question) -> doc.Document:
    """Return the answer: one recommendation, then the result of each transport."""
    transports = {
        transport: doc.pick(
            TransportData,
            each,
            sentence=_sentence(question, transport),
            terms=terms(each.setting, question.buffers[transport]),
        )
        for transport, each in question.tuned.items()
    }
    best = next(iter(transports))
    return doc.Document(
        title=f"{opening(name(best))}: {transports[best].sentence}",
        subject=f"Load: {sizing.described(question.load, question.workers, question.exits_per_s)}",
        parts=tuple(_parts(question, transports, best)),
        data=doc.pick(
            TuneData,
            question,
            format=FORMAT,
            exits_per_s_seen=round(question.exits_per_s, 1),
            recommended=best,
            transports=transports,
        ),
        short="Tune",
    )


def _words(setting: Setting, of: str) -> str:
    if setting.default:
        return "keep the default"
    if not setting.wake_at:
        return f"raise no wake-up, and flush every {given(setting.flush_ms, 'ms')}"
    flush = given(setting.flush_ms, "ms")
    return f"wake at every {setting.wake_at}th record{of} and flush after {flush}"


def _sentence(question: Question, transport: str) -> str:
    tuned = question.tuned[transport]
    of = " of a CPU" if question.buffers[transport].way.per_cpu else ""
    words, check = _words(tuned.setting, of), tuned.check
    if not tuned.confirmed:
        tried = _words(tuned.recommended.setting, of)
        if check is None:
            return f"{words}: no duet that compared it with to {tried} is valid."
        late = _late(check, tuned)
        return f"{words}: to {tried} was better in {_better_in(check.on(tuned.axis))}{late}."
    if check is None:
        return f"{words}: {tuned.reason}."
    added_ns = check.p50_ns.value * (1 - 1 / check.p50_ns.ratio)
    return (
        f"{words}: consumer CPU {times(check.cpu_s_per_million.ratio)} the default's, median "
        f"latency {'+' if added_ns > 0 else ''}{number(added_ns, Unit.NS)}."
    )


def _better_in(found: Number) -> str:
    return f"{found.better_in} of {counted(found.blocks, 'duet')}"


def _late(check: Point, tuned: Tuned) -> str:
    late = check.late(tuned.axis, tuned.within_ms)
    return f", but took longer than {given(tuned.within_ms, 'ms')} for 99 %" if late else ""


def _parts(
    question: Question, transports: Mapping[str, TransportData], best: str
) -> Iterator[doc.Part]:
    points = transports[best].points
    frontier = sum(not each.dominated for each in points)
    yield doc.Sentence(
        lead="Why",
        text=f"{transports[best].reason} (--for {question.axis}); {frontier} of "
        f"{counted(len(points), 'setting')} are on the frontier.",
    )
    if len(transports) > 1:
        yield doc.Sentence(lead="Which buffer", text=_beside(question))
    for transport, data in transports.items():
        if transport != best:
            yield doc.Sentence(lead=opening(name(transport)), text=data.sentence)
        if data.check is not None:
            yield doc.Sentence(
                lead=f"In duets, {name(transport)}",
                text=_checked(question.tuned[transport], data.check),
                evidence=_evidence(data.check.on(question.tuned[transport].axis)),
            )
    for transport, data in transports.items():
        budget = size(question.buffers[transport].budget_bytes)
        yield doc.Table(
            key=f"frontier-{transport}",
            title=f"{opening(name(transport))} of {budget}",
            corner="wake at, flush",
            columns=columns("median", "x", "p99", "x", "CPU", "x", "woken", verdict=""),
            rows=tuple(_row(question.axis, each, data) for each in data.points),
        )
        entries = tuple((each.where, (each.text,)) for each in data.terms)
        yield doc.Definitions(entries=entries, level=doc.Level.DECISION)
    if inexact := max(each.inexact for data in transports.values() for each in data.points):
        yield doc.Note(
            text="Behind a backlog records shared stamps: latencies are too long by up to "
            f"{share(inexact)}."
        )
    yield doc.Note(
        text="Each setting was run in blocks with the default; x: times the default's, with the "
        "95 % interval of its median. CPU: the consumer's per record; woken: wake-ups raised per "
        "record. Dominated: another is no worse in all three numbers. The recommended setting was "
        "then compared with the default in duets of new storms, each setting in storms of its "
        "own: in the same storm one wait would read both, woken by either."
    )


def _beside(question: Question) -> str:
    """Compare the first two transports, each as recommended."""
    what, scale = "consumer CPU per record", _PER_RECORD_NS
    if question.axis is Axis.LATENCY:
        what, scale = "99th percentile", 1.0
    first, second = map(name, islice(question.tuned, 2))
    if (found := question.beside) is None:
        return f"{first}; no duet with {second} counts."
    numbers = f"{number(found.value * scale, Unit.NS)} with {first}"
    numbers += f", {number(found.value / found.ratio * scale, Unit.NS)} with {second}"
    chance = "" if found.high < 1 else ": the difference may be chance, either will do"
    return f"{what} {numbers} in {counted(found.blocks, 'duet')} ({_interval(found)}){chance}."


def _interval(found: Number) -> str:
    return f"x {digits(found.ratio)}, {digits(found.low)} to {digits(found.high)}"


def _checked(tuned: Tuned, check: Point) -> str:
    found = check.on(tuned.axis)
    what = "99th percentile" if tuned.axis is Axis.LATENCY else "consumer CPU"
    written = ""
    if check.write_ns:
        written = f"; a write in the kernel takes {times(check.write_ns.ratio)} the default's"
    return (
        f"{check.setting.label}: {what} lower than the default's in {_better_in(found)} "
        f"({_interval(found)}){_late(check, tuned)}; median latency "
        f"{number(check.p50_ns.value, Unit.NS)}, 99th percentile "
        f"{number(check.p99_ns.value, Unit.NS)}{written}."
    )


def _evidence(found: Number) -> doc.Evidence:
    return doc.Evidence(low=found.low, high=found.high)


def _row(axis: Axis, point: Point, data: TransportData) -> doc.Row:
    cells: list[doc.Cell] = []
    for key, scale in (("p50_ns", 1.0), ("p99_ns", 1.0), ("cpu_s_per_million", _PER_RECORD_NS)):
        found: Number = getattr(point, key)
        bounds = map(digits, (found.low, found.high))
        ratio = "1" if point.setting.default else " .. ".join(bounds)
        cells.append(doc.Cell(text=number(found.value * scale, Unit.NS), value=found.value))
        cells.append(doc.Cell(text=ratio, value=found.ratio))
    mark = doc.Cell(text="dominated" if point.dominated else "", mark=doc.Mark.SOFT)
    if point.setting == data.setting:
        mark = doc.Cell(text="chosen", mark=doc.Mark.GOOD)
    elif point.lossy:
        mark = doc.Cell(text=f"lost in {point.lossy}", mark=doc.Mark.BAD)
    woken = quantity(point.wakeups_per_record, Unit.TIMES)
    return row(point.setting.label, *cells, woken, mark, evidence=_evidence(point.on(axis)))
