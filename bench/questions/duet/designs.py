# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show two arms compared under several designs in one session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.amounts import digits, fine, share
from bench.judge.sharing import apart
from bench.questions.duet.document import LABELS, DuetData, NumberData, design
from bench.report.document import NONE, Cell, Document, Mark, Note, Part, Row, Sentence, Table
from bench.report.table import columns, row


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Hold a number whose intervals under two designs do not overlap."""

    key: str
    designs: tuple[str, str]
    apart: float  # how far apart the two ratios are, as a share


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignsData:
    """Hold the JSON data of several designs."""

    format: int
    designs: tuple[DuetData, ...]
    contradictions: tuple[Contradiction, ...]


def designs(each: Sequence[DuetData]) -> Document:
    """Return the designs side by side, and the contradictions between them."""
    data = DesignsData(
        format=each[0].format, designs=tuple(each), contradictions=tuple(_contradictions(each))
    )
    return Document(
        title=f"{each[0].first} against {each[0].second}, by design",
        subject=f"storms of all designs in turn ({each[0].workload}), in random order",
        parts=tuple(_parts(data)),
        data=data,
        short="Designs",
    )


def _contradictions(each: Sequence[DuetData]) -> Iterator[Contradiction]:
    for one, other in combinations(each, 2):
        known = {each.key: (each.low, each.ratio, each.high) for each in other.numbers}
        for found in one.numbers:
            theirs = known.get(found.key)
            if theirs and (far := apart((found.low, found.ratio, found.high), theirs)) is not None:
                names = (one.assign, other.assign)
                yield Contradiction(key=found.key, designs=names, apart=far)


def _parts(data: DesignsData) -> Iterator[Part]:
    yield Table(
        key="designs",
        title="Ratio of the first arm to the second, by design",
        corner="number",
        columns=columns(*(design(each.assign) for each in data.designs)),
        rows=tuple(_rows(data.designs)),
    )
    for found in data.contradictions:
        one, other = map(design, found.designs)
        yield Sentence(
            lead="Contradiction",
            text=f"{LABELS[found.key]}, {one} and {other}: the intervals do not overlap, "
            f"the ratios differ by {share(found.apart)}.",
        )
    if not data.contradictions:
        yield Note(text="No two designs contradict each other beyond both intervals.")
    for each in data.designs:
        if each.given_up:
            yield Note(text=f"{design(each.assign)}: {each.given_up}.", mark=Mark.OPEN)


def _rows(each: Sequence[DuetData]) -> Iterator[Row]:
    ratios = [{number.key: _ratio(number) for number in one.numbers} for one in each]
    for key, label in LABELS.items():
        if any(key in known for known in ratios):
            yield row(label, *(known.get(key, NONE) for known in ratios))
    yield row("wake-ups per record", *map(_raised, each))
    yield row("storms", *(one.storms for one in each))


def _ratio(one: NumberData) -> Cell:
    return Cell(text=f"{fine(one.ratio)} ({fine(one.low)} to {fine(one.high)})", value=one.ratio)


def _raised(one: DuetData) -> str:
    """Return the wake-ups of both arms together, or, if they ran alone, of each."""
    first, second = one.raised
    if first is None or second is None:
        return NONE
    return digits(first) + f", {digits(second)}" * (one.assign == "solo")
