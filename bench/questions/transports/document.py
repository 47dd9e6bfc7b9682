# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a run says of both transports, as a document: the verdict, then every comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bench.judge.comparison import Comparison, Row
from bench.judge.load import reduced
from bench.questions.transports.background import background
from bench.questions.transports.decision import decision_table, headline, sentences, verdict
from bench.questions.transports.figures import figures
from bench.questions.transports.forest import forest
from bench.questions.transports.measures import checks, measures, origin
from bench.questions.transports.sentence import sentence
from bench.questions.transports.standing import Standing
from bench.questions.transports.summary import LeftOut, Places, Summary
from bench.questions.transports.tables import (
    LEGEND,
    comparison_table,
    ladder_table,
    overview_table,
)
from bench.questions.transports.words import as_json, machine_words, place, trouble
from bench.report.document import (
    Document,
    Figures,
    Fold,
    Heading,
    Level,
    Note,
    Part,
    pick,
)

FORMAT: Final = 2
"""Of the JSON; goes up when a key changes its meaning: docs/record-format.md."""


def document(summary: Summary, places: Places | None = None) -> Document:
    """Return what ``summary`` says; with ``places`` charts and background too, as on a page."""
    return Document(
        title=headline(summary),
        subject=machine_words(summary.machine),
        parts=tuple(_parts(summary, places)),
        data=_data(summary),
        short="Comparison",
        origin=origin(summary.machine),
        measures=measures(summary),
        checks=tuple(checks(summary)),
    )


def _parts(summary: Summary, places: Places | None) -> Iterator[Part]:
    yield from sentences(summary)
    yield from trouble(summary)
    if summary.comparisons:
        yield decision_table(summary)
    if places is not None and summary.standings:
        keys = {id(each): f"comparison-{at}" for at, each in enumerate(summary.comparisons)}
        yield forest(summary.standings, keys)
    if places is not None:
        yield Heading(text="Charts", key="charts", level=Level.BACKGROUND)
        yield Figures(make=lambda: figures(summary))
    yield from _comparisons(summary)
    if places is not None:
        yield from background(summary, places)


def _comparisons(summary: Summary) -> Iterator[Part]:
    if not summary.comparisons and not summary.ladders:
        return
    yield Heading(text="All comparisons", key="tables", short="Tables", level=Level.EVIDENCE)
    if summary.comparisons:
        yield overview_table(summary.comparisons)
    for at, comparison in enumerate(summary.comparisons):
        key = f"comparison-{at}"
        yield Fold(
            key=key,
            summary=place(comparison),
            gist=sentence(comparison),
            parts=(comparison_table(key, comparison),),
        )
    for at, ladder in enumerate(summary.ladders):
        table = ladder_table(f"ladder-{at}", ladder)
        yield Fold(key=table.key, summary=table.title, parts=(table,))
    if summary.comparisons:
        yield Note(text=LEGEND, level=Level.EVIDENCE)


def report_of(*documents: Document) -> dict[str, Any]:
    """Return what JSON has of several machines."""
    return {"format": FORMAT, "summaries": [each.data for each in documents]}


def _data(summary: Summary) -> dict[str, Any]:
    """Return what JSON has of one machine."""
    return {
        "verdict": verdict(summary),
        "machine": summary.machine,
        "plan": as_json(summary.coverage),
        **_fields(summary, "profiles", "seeds"),
        "trials": summary.tallies,
        "invalid": [pick(LeftOut, each) for each in summary.invalid],
        "reduced": [pick(LeftOut, each, reasons=reduced(each)) for each in summary.reduced],
        "unequal": summary.unequal,
        "standings": [_standing(each) for each in summary.standings],
        "comparisons": [_comparison(each) for each in summary.comparisons],
        "ladders": [
            _fields(each, "experiment", "transport", "rungs", "minimum_bytes", "recommended_bytes")
            for each in summary.ladders
        ],
        "noise_floors": summary.floors,
        "faults": summary.faults,
    }


def _fields(source: object, *names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def _standing(standing: Standing) -> dict[str, Any]:
    groups = ("for_left", "for_right", "equal", "equivalent", "open", "too_few")
    return {
        **_fields(standing, "question", "left", "right"),
        **{name: _wheres(getattr(standing, name)) for name in groups},
        "directions": [
            {**_fields(each, "winner", "polls"), "decided": _wheres(each.decided)}
            for each in standing.directions
        ],
    }


def _wheres(comparisons: tuple[Comparison, ...]) -> list[dict[str, Any]]:
    return [_fields(each, "experiment", "budget") for each in comparisons]


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        **_fields(comparison, "experiment", "budget"),
        "sentence": sentence(comparison),
        **_fields(comparison, "left", "right"),
        "numbers": {row.key: _number(row) for row in comparison.rows},
    }


def _number(row: Row) -> dict[str, Any]:
    return {
        **_fields(row, "group", "unit", "left", "right", "estimate", "margin"),
        "noise_floor": row.floor,
        "outcome": row.outcome,
        "resolvable": row.estimate and row.estimate.resolvable,
        "better": {-1: "left", 0: None, 1: "right"}[row.better],
    }
