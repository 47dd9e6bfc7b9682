# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Two arms compared under several designs in one session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.judge.sharing import apart
from bench.questions.duet.document import LABELS, DuetData, NumberData
from bench.report.document import Cell, Column, Document, Mark, Note, Part, Row, Sentence, Table
from bench.report.units import share

_WORDS = {"record": "by process", "solo": "each alone"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A number whose intervals under two designs do not overlap."""

    key: str
    designs: tuple[str, str]
    apart: float  # how far the two ratios lie from each other, as a share


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignsData:
    """The JSON data of several designs."""

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
    )


def _contradictions(each: Sequence[DuetData]) -> Iterator[Contradiction]:
    for one, other in combinations(each, 2):
        known = {each.key: (each.low, each.ratio, each.high) for each in other.numbers}
        for number in one.numbers:
            if number.key in known:
                far = apart((number.low, number.ratio, number.high), known[number.key])
                if far is not None:
                    names = (one.assign, other.assign)
                    yield Contradiction(key=number.key, designs=names, apart=far)


def _parts(data: DesignsData) -> Iterator[Part]:
    keys = [number.key for number in data.designs[0].numbers]
    yield Table(
        key="designs",
        title="Ratio of the first arm to the second, by design",
        corner="design",
        columns=(
            *(Column(heading=LABELS[key]) for key in keys),
            Column(heading="wake-ups a record"),
            Column(heading="storms"),
        ),
        rows=tuple(
            Row(
                heading=Cell(text=_name(each.assign)),
                cells=(
                    *(_cell(each, key) for key in keys),
                    Cell(text=_raised(each)),
                    Cell(text=f"{each.storms}", value=each.storms),
                ),
            )
            for each in data.designs
        ),
    )
    for found in data.contradictions:
        one, other = (_name(each) for each in found.designs)
        yield Sentence(
            lead="Contradiction",
            text=f"{LABELS[found.key]}, {one} and {other}: the intervals do not overlap, "
            f"the ratios differ by {share(found.apart)}.",
        )
    if not data.contradictions:
        yield Note(text="No two designs contradict each other beyond both intervals.")
    for each in data.designs:
        if each.given_up:
            yield Note(text=f"{_name(each.assign)}: {each.given_up}.", mark=Mark.OPEN)


def _name(assign: str) -> str:
    return _WORDS.get(assign, f"windows of {assign}")


def _cell(each: DuetData, key: str) -> Cell:
    found: NumberData | None = next((one for one in each.numbers if one.key == key), None)
    if found is None:
        return Cell(text="-")
    return Cell(text=f"{found.ratio:.3f} ({found.low:.3f} to {found.high:.3f})", value=found.ratio)


def _raised(each: DuetData) -> str:
    first, second = each.raised
    if first is None or second is None:
        return "-"
    return f"{first:.2f}, {second:.2f}" if each.assign == "solo" else f"{first:.2f}"
