# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show how an object's buffers performed as a document."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.amounts import counted, share, size
from bench.errors import clean
from bench.judge.comparison import Outcome
from bench.judge.statistics import FEWEST_BLOCKS
from bench.questions.object.judge import Row, judge
from bench.questions.object.plan import Load
from bench.questions.object.run import Round
from bench.questions.transports.words import listed, opening
from bench.questions.transports.words import name as transport_name
from bench.report import document as doc
from bench.report.document import Cell, Column, Document, Mark, Measure, Note, Sentence, pick
from bench.report.table import columns, quantity, row
from bench.report.units import interval, number, point
from bench.tracer.object.measured import Looks
from bench.tracer.transports import ranked, traits

FORMAT: Final = 1
_MARKS: Final = {True: Mark.GOOD, False: Mark.BAD}
_SAID: Final = (  # in sentences
    "dropped_share",
    "latency_p99_ns",
    "kernel_ns_per_run",
    "consumer_cpu_s_per_million",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectData:
    """Hold the JSON output; ``format`` is raised when a key changes its meaning."""

    format: int
    object: str
    command: tuple[str, ...]  # empty: a storm
    rate_per_s: float | None  # of the storm; 0: as fast as possible; null: a command
    seconds: float
    budget_bytes: int
    stamp: str
    seed: int
    own: tuple[str, ...]  # transports that the object uses
    other: str  # to which it was moved; "": none
    alone: str  # why there is none
    uncounted: str  # why its calls are not counted, so that attempted counts runs; "": they are
    sides: tuple[str, ...]
    numbers: tuple[Row, ...]
    rounds: tuple[Round, ...]


def document(
    name: str, load: Load, looks: Looks, rounds: Sequence[Round], *, stamp: str, seed: int
) -> Document:
    """Return how the object of this name performed on each side, and the differences."""
    sides = ranked(each.side for each in rounds)
    data = pick(
        ObjectData,
        looks,
        format=FORMAT,
        object=name,
        command=load.command,
        rate_per_s=load.storm.rate_per_s if load.storm else None,
        seconds=load.seconds,
        stamp=stamp,
        seed=seed,
        own=looks.transports,
        sides=sides,
        numbers=judge(rounds, sides),
        rounds=tuple(rounds),
    )
    return Document(
        title=f"{clean(name)} {_losses(data)}",
        subject=_subject(data),
        parts=tuple(_parts(data)),
        data=data,
        short="Object",
        measures=tuple(_measures(data)),
        journals=False,
    )


def _subject(data: ObjectData) -> str:
    of = f"under {clean(shlex.join(data.command)[:60])}"
    if not data.command:
        rate = f"{data.rate_per_s:,.0f} exits a second" if data.rate_per_s else "a storm of exits"
        of = f"under {rate}"
    blocks = len({each.block for each in data.rounds})
    held = {size(each.data_bytes) for each in data.rounds}
    often = counted(blocks, "time") + " on each side" * (len(data.sides) > 1)
    return f"{of}, {often}, {listed(sorted(held))} of data"


def _losses(data: ObjectData) -> str:
    if not _known(data):
        return f"sends events on {listed([_name(data.sides[0])])} of which an unknown share is lost"
    found = [(side, *_lost(data, side)) for side in data.sides]
    most = "at most " if data.uncounted else ""
    if not any(lost for _, lost, _ in found):
        where = "either transport" if len(found) > 1 else listed([_name(data.sides[0])])
        return f"loses nothing on {where}"
    words = (
        f"{most if lost else ''}{share(lost / max(attempted, 1))} on {_name(side)}"
        for side, lost, attempted in found
    )
    return f"loses {listed([*words])}"


def _known(data: ObjectData) -> bool:
    return all(each.lost is not None for each in data.rounds)


def _lost(data: ObjectData, side: str) -> tuple[int, int]:
    mine = [each for each in data.rounds if each.side == side]
    return sum(each.lost or 0 for each in mine), sum(each.attempted for each in mine)


def _name(side: str) -> str:
    return listed([transport_name(each) for each in side.split("+")])


def _short(side: str) -> str:
    return " and ".join(traits(each).short for each in side.split("+"))


def _parts(data: ObjectData) -> Iterator[doc.Part]:
    for each in data.numbers:
        if len(data.sides) > 1 and each.key in _SAID:
            yield Sentence(lead=opening(each.label), text=_said(each))
    yield _table(data)
    yield from _notes(data)


def _said(found: Row) -> str:
    values = [f"{number(n, found.unit)} on {_name(side)}" for side, n in found.values.items()]
    ending = f" ({found.outcome})"
    if better := found.better:
        ending = f"; {_name(better)} {'do' if traits(better).plural else 'does'} better"
    return f"{listed(values)}{ending}."


def _table(data: ObjectData) -> doc.Table:
    both = len(data.sides) > 1
    sides = (
        Column(heading=_short(each), transport="" if "+" in each else each) for each in data.sides
    )
    between = (" against ".join(map(_short, data.sides)), "95 % interval") if both else ()
    return doc.Table(
        key="numbers",
        title="Its buffers under this load",
        corner="",
        columns=(*sides, *columns(*between)),
        rows=tuple(row(each.label, *_cells(each, both=both)) for each in data.numbers),
    )


def _cells(found: Row, *, both: bool) -> Iterator[Cell]:
    for side, value in found.values.items():
        mark = _MARKS[found.better == side] if found.better else Mark.NONE
        yield quantity(value, found.unit, mark)
    if both:
        estimate = found.estimate
        value = estimate.point if estimate is not None else None
        yield Cell(text=point(estimate, found.unit), value=value)
        yield Cell(text=interval(estimate, found.unit))


def _notes(data: ObjectData) -> Iterator[Note]:
    if data.alone:
        yield Note(
            text=f"Measured alone, since it cannot be moved to another transport: {data.alone}.",
            mark=Mark.OPEN,
        )
    if data.uncounted:
        yield Note(
            text=f"Its calls are not counted: {data.uncounted}. Attempted are the runs of those "
            "programs that send; dropped is attempted minus delivered. Both are upper bounds if no "
            f"run sends more than one event{'' if _known(data) else ', which some do here'}.",
            mark=Mark.OPEN,
        )
    if residue := sum(each.residue for each in data.rounds):
        yield Note(
            text=f"{counted(residue, 'event was', 'events were')} neither refused, discarded nor "
            "read.",
            mark=Mark.BAD,
        )
    if discarded := sum(each.discarded for each in data.rounds):
        yield Note(text=f"The program itself reserved and discarded {counted(discarded, 'event')}.")
    misdated, delivered = (
        sum(getattr(each, of) for each in data.rounds) for of in ("misdated", "delivered")
    )
    if misdated:
        yield Note(
            text=f"{clean(data.stamp)} of {misdated:,} in {delivered:,} events is not a time of "
            "CLOCK_MONOTONIC within the measurement; these have no latency.",
            mark=Mark.BAD,
        )
    codes = sorted({each.ended for each in data.rounds if each.ended})
    if codes:
        often = sum(bool(each.ended) for each in data.rounds)
        yield Note(
            text=f"The command ended with {listed([*map(str, codes)])} in {often} of "
            f"{counted(len(data.rounds), 'round')}.",
            mark=Mark.BAD,
        )
    if len(data.sides) > 1 and any(each.outcome is Outcome.TOO_FEW for each in data.numbers):
        yield Note(text=f"Fewer than {FEWEST_BLOCKS} blocks decide nothing.", mark=Mark.OPEN)
    paired = "; ratios, or differences of shares, are paired within blocks"
    yield Note(
        text=f"Values are medians over rounds, or means of shares{paired * (len(data.sides) > 1)}. "
        "All events that the object sends count, of any process. "
        "bufbench's own reader reads them; it waits on epoll and does nothing with an event."
    )


def _measures(data: ObjectData) -> Iterator[Measure]:
    for each in data.numbers:
        for side, value in each.values.items():
            if value is not None:
                yield Measure(
                    number=each.key,
                    labels=(("object", data.object), ("transport", side)),
                    name=f"{each.label}, {_short(side)}",
                    value=value,
                    unit=each.unit,
                    more_is_better=each.more_is_better,
                )
