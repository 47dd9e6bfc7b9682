# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The answer to "when is the consumer to be woken?" as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench.amounts import counted
from bench.judge.metrics import Unit
from bench.questions.sizing.document import sent
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
    """What was asked, and what came out for each transport."""

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
    """What one transport came to; ``setting`` is the default where the check did not confirm."""

    setting: Setting
    confirmed: bool
    reason: str
    sentence: str
    check: Point | None
    terms: tuple[Term, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneData:
    """What JSON has; ``format`` goes up when a key changes its meaning."""

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
            each.recommended,
            setting=each.setting(asked.axis),
            confirmed=each.confirmed(asked.axis),
            sentence=_sentence(asked, transport),
            check=each.check,
            terms=terms(each.setting(asked.axis), asked.buffers[transport]),
            points=each.points,
        )
        for transport, each in asked.tuned.items()
    }
    best = next(iter(transports))
    return Document(
        title=f"{name(best).capitalize()}: {transports[best].sentence}",
        subject=_load(asked),
        parts=tuple(_parts(asked, transports, best)),
        data=TuneData(
            format=FORMAT,
            load=asked.load,
            axis=asked.axis,
            within_ms=asked.within_ms,
            exits_per_s_seen=round(asked.exits_per_s, 1),
            journal=asked.journal,
            recommended=best,
            beside=asked.beside,
            transports=transports,
        ),
        short="Tune",
    )


def _load(asked: Question) -> str:
    load = asked.load
    what = f"exits as fast as {counted(asked.workers, 'process makes', 'processes make')} them"
    if load.replay is not None:
        what = "a watched load, replayed"
    elif load.burst:
        what = f"bursts of {counted(load.burst, 'process', 'processes')} that exit at once"
    elif load.rate_per_s:
        what = f"{load.rate_per_s:,.0f} exits/s"
    return f"load: {what} ({asked.exits_per_s:,.0f} exits/s seen), {sent(load)}"


def _words(setting: Setting, way: str) -> str:
    if setting.default:
        return "keep the default"
    if not setting.wake_at:
        return f"wake nobody, and flush every {setting.flush_ms} ms"
    return (
        f"wake at every {_nth(setting.wake_at)} record{way} and flush after {setting.flush_ms} ms"
    )


def _nth(count: int) -> str:
    last = count % 10 if count % 100 not in (11, 12, 13) else 0
    return f"{count}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def _sentence(asked: Question, transport: str) -> str:
    tuned, buffers = asked.tuned[transport], asked.buffers[transport]
    way = " of a CPU" if buffers.way.per_cpu else ""
    words = _words(tuned.setting(asked.axis), way)
    if not tuned.confirmed(asked.axis):
        tried = _words(tuned.recommended.point.setting, way)
        seen = tuned.check.on(asked.axis) if tuned.check else None
        held = "in no valid block"
        if seen:
            held = f"in {seen.better_in} of {counted(seen.blocks, 'block')}"
        return f"{words}: to {tried} was better {held} when tried again."
    if tuned.check is None:
        return f"{words}: {tuned.recommended.reason}."
    point = tuned.check
    p50 = point.p50_ns
    added_ns = p50.value - p50.value / p50.ratio
    return (
        f"{words}: consumer CPU {point.cpu_s_per_million.ratio:.2f} times the default's, median "
        f"latency {'+' if added_ns > 0 else ''}{number(added_ns, Unit.NS)}."
    )


def _parts(
    asked: Question, transports: Mapping[str, TransportData], best: str
) -> Iterator[parts.Part]:
    yield Sentence(lead="Why", text=_why(asked, transports[best]))
    if len(transports) > 1:
        yield Sentence(lead="Which buffer", text=_beside(asked))
    for transport, data in transports.items():
        if transport != best:
            yield Sentence(lead=name(transport).capitalize(), text=data.sentence)
    for transport, data in transports.items():
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
        text="Each setting in blocks beside the default; x: times the default's, with the 95 % "
        "interval of its median. CPU: the consumer's for a record; woken: wake-ups raised for one. "
        "Dominated: another is no worse at all three numbers. A duet would "
        "not do: both of its arms share one wait, and so each other's wake-ups."
    )


def _why(asked: Question, data: TransportData) -> str:
    frontier = sum(not each.dominated for each in data.points)
    return (
        f"{data.reason} (--for {asked.axis}); {frontier} of {counted(len(data.points), 'setting')} "
        "are on the frontier."
    )


def _beside(asked: Question) -> str:
    """Compare the first two transports, each as recommended."""
    first, second = list(asked.tuned)[:2]
    what = "99th percentile" if asked.axis is Axis.LATENCY else "consumer CPU a record"
    finals = {each: asked.tuned[each].final(asked.axis).on(asked.axis) for each in (first, second)}
    numbers = [f"{_number(of, asked.axis)} with {name(each)}" for each, of in finals.items()]
    text = f"{what} {numbers[0]}, {numbers[1]}"
    found = asked.beside
    if found is None:
        return f"{text}; never in one block."
    seen = f"x {found.ratio:.2f}, {found.low:.2f} to {found.high:.2f}"
    return f"{text} ({seen})" + ("." if found.high < 1 else ": not surely apart, either will do.")


def _number(found: Number, axis: Axis) -> str:
    scale = 1.0 if axis is Axis.LATENCY else _PER_RECORD_NS
    return number(found.value * scale, Unit.NS)


def _checked(asked: Question, check: Point) -> str:
    found = check.on(asked.axis)
    what = "99th percentile" if asked.axis is Axis.LATENCY else "consumer CPU"
    beyond = asked.axis is Axis.BALANCE and check.p99_ns.value > asked.within_ms * 1e6
    late = f", beyond {asked.within_ms:g} ms" if beyond else ""
    return (
        f"{check.setting.label}: {what} less than the default's in {found.better_in} of "
        f"{counted(found.blocks, 'block')} that only these two ran in "
        f"(x {found.ratio:.2f}, {found.low:.2f} to {found.high:.2f}); median latency "
        f"{number(check.p50_ns.value, Unit.NS)}, 99th percentile "
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
