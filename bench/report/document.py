# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define a document: the answer to a question, as values that every renderer shows alike.

A question makes one from what it judged; bench/report/renderers turn it into a terminal's text,
Markdown, an HTML page, JSON or CSV. All text is plain: renderers escape it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum, StrEnum
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    import altair as alt
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

NONE = "-"
"""Shown where a number is unknown."""


class Level(IntEnum):
    """Choose the detail at which a part is shown."""

    DECISION = 0  # always shown
    EVIDENCE = 1  # a report: every comparison
    BACKGROUND = 2  # the page: what was measured where, and how to repeat it


class Mark(StrEnum):
    """Classify a text, for its colour; never the only sign of its meaning."""

    NONE = ""
    GOOD = "good"
    BAD = "bad"
    OPEN = "open"
    SOFT = "soft"
    NEW = "new"  # differs from the one before it


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSet:
    """Name trials of one arm, by the index of their run and their block."""

    experiment: str
    arm: str
    trials: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Support a sentence or row: by its trials, and the 95 % interval of its number."""

    trials: tuple[TrialSet, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Head the parts after it; with a key it begins a section that can be linked to."""

    text: str
    key: str = ""
    short: str = ""  # in a list of sections
    level: Level = Level.DECISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """State a fact. ``lead`` names its subject: "Drops". On a page ``mark`` makes it a badge."""

    text: str
    lead: str = ""
    mark: Mark = Mark.NONE
    evidence: Evidence | None = None
    level: Level = Level.DECISION

    def __str__(self) -> str:
        return f"{self.lead}: {self.text}" if self.lead else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Explain how to read something, or report what went wrong (``mark``)."""

    text: str
    mark: Mark = Mark.SOFT
    level: Level = Level.DECISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Show a command line to repeat."""

    text: str
    level: Level = Level.BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """Define terms; several texts for one become a list."""

    entries: tuple[tuple[str, tuple[str, ...]], ...]
    level: Level = Level.BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Hold a text, the number behind it, and what it means."""

    text: str
    value: float | None = None
    mark: Mark = Mark.NONE
    hint: str = ""
    transport: str = ""  # drawn with its colour and shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Head a column; numbers are aligned right. A page puts verdicts first."""

    heading: str
    numeric: bool = True
    transport: str = ""
    verdict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold the cells of a row; one without cells has a reason instead."""

    heading: Cell
    cells: tuple[Cell, ...]
    reason: str = ""
    begins: bool = False  # a group of rows
    under: bool = False  # explains the row above
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Hold rows and columns; ``corner`` heads the column that names the rows."""

    key: str
    title: str
    corner: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    hint: str = ""
    level: Level = Level.DECISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Hold one chart of a figure and the heading over it."""

    title: str
    chart: alt.TopLevelMixin  # names its data
    data: Mapping[str, Sequence[dict[str, Any]]]  # under those names
    wide: bool = False  # takes a whole line
    svg: str = ""  # once it is drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Show panels that answer one question."""

    key: str  # of file names and anchors
    title: str
    reading: str  # how to read it
    transports: tuple[str, ...]  # for the legend
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Make figures only when a renderer draws them: altair is slow to import."""

    make: Callable[[], Iterable[Figure]]
    level: Level = Level.BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Show the blocks behind a number as points on a line, with its interval and its bound."""

    blocks: tuple[float, ...]
    low: float
    high: float
    bound: float
    ratio: bool  # on a logarithmic line
    words: str
    level: Level = Level.BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Hold the effect of one comparison: a ratio or a difference, and its interval."""

    label: str
    key: str  # of the part that has the evidence
    point: float
    low: float
    high: float
    margin: float  # that it must exceed: for a ratio, 0.02, say; 0 within the same storms
    words: str  # the same in figures
    duet: bool = False
    better: str = ""  # the transport; "" where neither is


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Group effects that answer one question, on one scale."""

    title: str
    ratio: bool  # on a logarithmic scale around 1, else a linear one around 0
    rows: tuple[Effect, ...]
    more: str = ""  # what is not drawn, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Show every comparison's effect in a forest plot, in groups by question."""

    key: str
    title: str
    groups: tuple[Effects, ...]
    hint: str = ""
    level: Level = Level.BACKGROUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Fold parts behind a summary line. ``badge`` is a verdict, by which folds are filtered."""

    key: str
    summary: str
    parts: tuple[Part, ...]
    gist: str = ""
    badge: str = ""
    mark: Mark = Mark.NONE
    links: tuple[tuple[str, str], ...] = ()  # to its sources: text, https address
    level: Level = Level.EVIDENCE

    def __post_init__(self) -> None:
        """Raise ValueError for an address that a page must not lead to."""
        if not all(address.startswith("https://") for _, address in self.links):
            raise ValueError(f"{self.key} links to what is not https")


Part = Heading | Sentence | Note | Command | Definitions | Table | Figures | Strip | Forest | Fold

Labels = tuple[tuple[str, str], ...]
"""Names and values that identify one of many: (("experiment", "storm"), ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Give programs a number worth tracking from run to run."""

    number: str  # stable: "own_dropped_share"
    labels: Labels  # of what it is
    name: str  # in words
    value: float
    unit: str  # of judge.metrics.Unit
    low: float | None = None  # bounds of the 95 % interval; None: it has none
    high: float | None = None
    more_is_better: bool = False

    @property
    def subject(self) -> str:
        """Return the values of the labels: "storm/ringbuf@64KiB"; slashes in them are replaced."""
        return "/".join(quote(value, safe="@:+()#") for _, value in self.labels)

    @property
    def key(self) -> str:
        """Return a key that is stable between runs: "storm/ringbuf@64KiB/own_dropped_share"."""
        return f"{self.subject}/{self.number}"


class Passing(StrEnum):
    """Name the outcome of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # not decided, or not applicable


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Give programs the outcome of a claim or gate: its name, whether it passed, and why."""

    name: str
    outcome: Passing
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Answer one question.

    ``title`` is the answer in a sentence, ``short`` names the document in a list of several.
    ``data`` is what JSON gives: a dataclass. ``origin`` distinguishes machines.
    """

    title: str
    subject: str  # what was examined: the machine, the kernels
    parts: tuple[Part, ...]
    data: Any
    short: str = "Verdict"
    origin: Labels = ()
    measures: tuple[Measure, ...] = ()
    checks: tuple[Check, ...] = ()
    journals: bool = True  # all of it was computed from journals

    def up_to(self, level: Level) -> Document:
        """Return the document without parts of more detail."""
        return replace(self, parts=tuple(each for each in self.parts if each.level <= level))


def untitled(fold: Fold) -> Iterator[Part]:
    """Yield the parts of ``fold``, without the title of a table that only repeats its summary."""
    for part in fold.parts:
        if isinstance(part, Table) and part.title == fold.summary:
            part = replace(part, title="")  # noqa: PLW2901
        yield part


def definitions(terms: Mapping[str, str]) -> Definitions:
    """Return terms of which one thing is said each."""
    return Definitions(entries=tuple((term, (text,)) for term, text in terms.items()))


def tables(parts: Iterable[Part]) -> Iterator[Table]:
    """Yield every table, including those within folds."""
    for part in parts:
        if isinstance(part, Table):
            yield part
        elif isinstance(part, Fold):
            yield from tables(part.parts)


def measures(documents: Sequence[Document]) -> tuple[Measure, ...]:
    """Return the measures of all documents, each with a unique key.

    With several machines, their labels come first; copies of a key are numbered from 2.
    """
    several = len({each.origin for each in documents if each.measures}) > 1
    known: dict[str, Measure] = {}
    for document in documents:
        for each in document.measures:
            labels = document.origin + each.labels if several else each.labels
            measure, copies = replace(each, labels=labels), count(2)
            while measure.key in known:
                measure = replace(each, labels=(*labels, ("copy", str(next(copies)))))
            known[measure.key] = measure
    return tuple(known.values())


def checks(documents: Sequence[Document]) -> tuple[Check, ...]:
    """Return the checks of all documents, each with a unique name, as for measures."""
    several = len({each.origin for each in documents if each.checks}) > 1
    known: dict[str, Check] = {}
    for document in documents:
        origin = [value for _, value in document.origin] if several else []
        for each in document.checks:
            plain = name = " ".join((*origin, each.name))
            copies = count(2)
            while name in known:
                name = f"{plain} ({next(copies)})"
            known[name] = replace(each, name=name)
    return tuple(known.values())


def pick(kind: type[T], source: object, **given: object) -> T:
    """Return a dataclass of ``kind``, its fields taken from ``source`` except for those given.

    This is how a question's data is made: JSON has the fields of ``kind``, and nothing else.
    """
    names = (each.name for each in fields(kind))
    return kind(**{name: given[name] if name in given else getattr(source, name) for name in names})
