# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer "when is the consumer to be woken?" as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench.amounts import counted
from bench.judge.metrics import Unit
from bench.questions.sizing import document as sizing
from bench.questions.sizing.plan import Load
from bench.questions.transports.words import name
from bench.questions.tune.axis import Axis
from bench.questions.tune.judge import Number, Point
from bench.questions.tune.plan import Setting
from bench.questions.tune.run import Tuned
from bench.questions.tune.terms import Buffers, Term, terms
from bench.report import document as parts
from bench.report.document import (
    Cell,
    Column,
    Definitions,
    Document,
    Evidence,
    Level,
    Mark,
    Note,
    Row,
    Sentence,
    Table,
    pick,
)
from bench.report.units import number, size

FORMAT: Final = 1

_PER_RECORD_NS: Final = 1e3  # of a second for a million records


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Hold what was asked, and what came out for each transport."""

    load: Load
    axis: Axis
    within_ms: float  # of BALANCE
    exits_per_s: float  # as seen
    workers: int  # that make the storm
    buffers: Mapping[str, Buffers]
    tuned: Mapping[str, Tuned]  # the best first
    beside: Number | None  # the first over the second, on the axis
    journal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportData:
    """Hold one transport's result; ``setting`` is the default where the check did not confirm."""

    setting: Setting
    confirmed: bool
    reason: str
    sentence: str
    check: Point | None
    terms: tuple[Term, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneData:
    """Hold what JSON has; ``format`` goes up when a key changes its meaning."""

    format: int
    load: Load
    axis: Axis
    within_ms: float
    exits_per_s_seen: float
    journal: str
    recommended: str  # a transport
    beside: Number | None  # it over the next one, on the axis; null: there is none
    transports: dict[str, TransportData]


def document(asked: Question) -> Document:
    """Return the answer: one recommendation, then what each transport came to."""
    transports = {
        transport: pick(
            TransportData,
            each,
            setting=each.setting(asked.axis),
            confirmed=each.confirmed(asked.axis),
            sentence=_sentence(asked, transport),
            terms=terms(each.setting(asked.axis), asked.buffers[transport]),
        )
        for transport, each in asked.tuned.items()
    }
    best = next(iter(transports))
    return Document(
        title=f"{name(best).capitalize()}: {transports[best].sentence}",
        subject=f"load: {sizing.asked(asked.load, asked.workers, asked.exits_per_s)}",
        parts=tuple(_parts(asked, transports, best)),
        data=pick(
            TuneData,
            asked,
            format=FORMAT,
            exits_per_s_seen=round(asked.exits_per_s, 1),
            recommended=best,
            transports=transports,
        ),
        short="Tune",
    )


def _words(setting: Setting, of: str) -> str:
    if setting.default:
        return "keep the default"
    if not setting.wake_at:
        return f"wake nobody, and flush every {setting.flush_ms} ms"
    return f"wake at every {setting.wake_at}th record{of} and flush after {setting.flush_ms} ms"


def _sentence(asked: Question, transport: str) -> str:
    tuned = asked.tuned[transport]
    of = " of a CPU" if asked.buffers[transport].way.per_cpu else ""
    words, check = _words(tuned.setting(asked.axis), of), tuned.check
    if not tuned.confirmed(asked.axis):
        tried = _words(tuned.recommended.setting, of)
        held = "in no valid block"
        if check is not None:
            found = check.on(asked.axis)
            held = f"in {found.better_in} of {counted(found.blocks, 'block')}"
        return f"{words}: to {tried} was better {held} when tried again."
    if check is None:
        return f"{words}: {tuned.reason}."
    added_ns = check.p50_ns.value * (1 - 1 / check.p50_ns.ratio)
    return (
        f"{words}: consumer CPU {check.cpu_s_per_million.ratio:.2f} times the default's, median "
        f"latency {'+' if added_ns > 0 else ''}{number(added_ns, Unit.NS)}."
    )


def _parts(
    asked: Question, transports: Mapping[str, TransportData], best: str
) -> Iterator[parts.Part]:
    points = transports[best].points
    frontier = sum(not each.dominated for each in points)
    yield Sentence(
        lead="Why",
        text=f"{transports[best].reason} (--for {asked.axis}); {frontier} of "
        f"{counted(len(points), 'setting')} are on the frontier.",
    )
    if len(transports) > 1:
        yield Sentence(lead="Which buffer", text=_beside(asked))
    for transport, data in transports.items():
        if transport != best:
            yield Sentence(lead=name(transport).capitalize(), text=data.sentence)
        if data.check is not None:
            yield Sentence(
                lead=f"Tried again, {name(transport)}",
                text=_checked(asked, data.check),
                evidence=_evidence(data.check.on(asked.axis)),
            )
    for transport, data in transports.items():
        yield _table(asked, transport, data)
        yield Definitions(
            entries=tuple((each.where, (each.text,)) for each in data.terms),
            level=Level.DECISION,
        )
    yield Note(
        text="Each setting was run in blocks with the default; x: times the default's, with the "
        "95 % interval of its median. CPU: the consumer's per record; woken: wake-ups raised per "
        "record. Dominated: another is no worse in all three numbers. A duet would not do: both of "
        "its arms share one wait, and so each other's wake-ups."
    )


def _beside(asked: Question) -> str:
    """Compare the first two transports, each as recommended."""
    what = "99th percentile" if asked.axis is Axis.LATENCY else "consumer CPU a record"
    numbers = []
    for transport, tuned in list(asked.tuned.items())[:2]:
        value = tuned.final(asked.axis).on(asked.axis).value
        scale = 1.0 if asked.axis is Axis.LATENCY else _PER_RECORD_NS
        numbers.append(f"{number(value * scale, Unit.NS)} with {name(transport)}")
    text = f"{what} {', '.join(numbers)}"
    found = asked.beside
    if found is None:
        return f"{text}; never in one block."
    return f"{text} ({_interval(found)})" + (
        "." if found.high < 1 else ": the difference may be chance, either will do."
    )


def _interval(found: Number) -> str:
    return f"x {found.ratio:.2f}, {found.low:.2f} to {found.high:.2f}"


def _checked(asked: Question, check: Point) -> str:
    found = check.on(asked.axis)
    what = "99th percentile" if asked.axis is Axis.LATENCY else "consumer CPU"
    beyond = asked.axis is Axis.BALANCE and check.p99_ns.value > asked.within_ms * 1e6
    late = f", beyond {asked.within_ms:g} ms" if beyond else ""
    return (
        f"{check.setting.label}: {what} lower than the default's in {found.better_in} of "
        f"{counted(found.blocks, 'block')} of these two alone ({_interval(found)}); "
        f"median latency {number(check.p50_ns.value, Unit.NS)}, 99th percentile "
        f"{number(check.p99_ns.value, Unit.NS)}{late}."
    )


def _evidence(found: Number) -> Evidence:
    return Evidence(low=found.low, high=found.high)


def _table(asked: Question, transport: str, data: TransportData) -> Table:
    headings = ("median", "x", "p99", "x", "CPU", "x", "woken")
    mark = Column(heading="", numeric=False, verdict=True)
    return Table(
        key=f"frontier-{transport}",
        title=f"{name(transport).capitalize()} of {size(asked.buffers[transport].budget_bytes)}",
        corner="wake at, flush",
        columns=(*(Column(heading=each) for each in headings), mark),
        rows=tuple(_row(asked.axis, each, data) for each in data.points),
    )


def _row(axis: Axis, point: Point, data: TransportData) -> Row:
    cells: list[Cell] = []
    for found, scale in (
        (point.p50_ns, 1.0),
        (point.p99_ns, 1.0),
        (point.cpu_s_per_million, _PER_RECORD_NS),
    ):
        cells += (
            Cell(text=number(found.value * scale, Unit.NS), value=found.value),
            Cell(text=_ratio(point, found), value=found.ratio),
        )
    wakeups = point.wakeups_per_record
    cells.append(Cell(text=number(wakeups, Unit.TIMES), value=wakeups))
    if point.setting == data.setting:
        cells.append(Cell(text="chosen", mark=Mark.GOOD))
    elif point.lossy:
        cells.append(Cell(text=f"lost in {point.lossy}", mark=Mark.BAD))
    else:
        cells.append(Cell(text="dominated" if point.dominated else "", mark=Mark.SOFT))
    return Row(
        heading=Cell(text=point.setting.label),
        cells=tuple(cells),
        evidence=_evidence(point.on(axis)),
    )


def _ratio(point: Point, found: Number) -> str:
    if point.setting.default:
        return "1"
    bounds = (found.low, found.high)
    return " .. ".join(f"{each:,.{0 if each >= 10 else 2}f}" for each in bounds)
