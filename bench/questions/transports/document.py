# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a run says of both transports, as a document: the verdict, then every comparison."""

from __future__ import annotations

from collections.abc import Iterator

from bench.questions.transports.background import background
from bench.questions.transports.data import data_of
from bench.questions.transports.figures import figures
from bench.questions.transports.headline import headline
from bench.questions.transports.sentence import sentence, verdict
from bench.questions.transports.summary import Material, Summary
from bench.questions.transports.tables import (
    LEGEND,
    comparison_table,
    headline_table,
    ladder_table,
    overview_table,
)
from bench.questions.transports.words import machine_words, place, trouble
from bench.report.document import (
    Document,
    Figures,
    Fold,
    Heading,
    Level,
    Mark,
    Note,
    Part,
    Sentence,
)


def document(summary: Summary, material: Material | None = None) -> Document:
    """Return what ``summary`` says; charts and background need its ``material``."""
    return Document(
        title=headline(summary),
        subject=machine_words(summary.machine),
        parts=tuple(_parts(summary, material)),
        data=data_of(summary),
        short="Comparison",
    )


def _parts(summary: Summary, material: Material | None) -> Iterator[Part]:
    for line in verdict(summary):
        lead, colon, text = line.partition(": ")
        yield Sentence(lead=lead, text=text) if colon else Sentence(text=line)
    for line in trouble(summary):
        yield Note(text=line, mark=Mark.OPEN)
    if material is not None:
        if summary.comparisons:
            yield headline_table(summary)
        yield Heading(text="Charts", key="charts", level=Level.BACKGROUND)
        yield Figures(make=lambda: figures(material))
    yield from _comparisons(summary)
    if material is not None:
        yield from background(material)


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
