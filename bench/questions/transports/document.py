# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The comparison of transports as a document: the verdict, then every comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.judge.comparison import Comparison
from bench.questions.transports.background import background
from bench.questions.transports.data import FORMAT, ReportData, data_of
from bench.questions.transports.decision import decision_table, first_pair, headline, sentences
from bench.questions.transports.figures import figures
from bench.questions.transports.forest import forest
from bench.questions.transports.measures import checks, measures, origin
from bench.questions.transports.restored import table as restored_table
from bench.questions.transports.sentence import sentence
from bench.questions.transports.summary import Places, Summary
from bench.questions.transports.tables import LEGEND, comparison_table, ladder_table, overview_table
from bench.questions.transports.torn import sentence as torn_sentence
from bench.questions.transports.torn import table as torn_table
from bench.questions.transports.words import machine_words, place, trouble
from bench.report.document import Document, Figures, Fold, Heading, Level, Note, Part


def document(summary: Summary, places: Places | None = None) -> Document:
    """Return the document of ``summary``; with ``places``, charts and background for a page."""
    return Document(
        title=headline(summary),
        subject=machine_words(summary.machine),
        parts=tuple(_parts(summary, places)),
        data=data_of(summary),
        short="Comparison",
        origin=origin(summary.machine),
        measures=measures(summary),
        checks=tuple(checks(summary)),
    )


def _parts(summary: Summary, places: Places | None) -> Iterator[Part]:
    yield from sentences(summary)
    if summary.torn:
        yield torn_sentence(summary.torn)
    yield from trouble(summary)
    if places is not None and summary.standings:
        keys = {id(each): _address(each) for each in summary.comparisons}
        yield forest(first_pair(summary), keys)
    if summary.comparisons:
        yield decision_table(summary)
        yield from restored_table(summary)
    if summary.torn:
        yield torn_table(summary.torn)
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
    for each in summary.comparisons:
        table = comparison_table(_address(each), each)
        yield Fold(key=table.key, summary=place(each), gist=sentence(each), parts=(table,))
    for ladder in summary.ladders:
        table = ladder_table(_words("ladder", ladder.experiment, ladder.transport), ladder)
        yield Fold(key=table.key, summary=table.title, parts=(table,))
    if summary.comparisons:
        yield Note(text=LEGEND, level=Level.EVIDENCE)


def _address(comparison: Comparison) -> str:
    """Return the address of a comparison on a page, which does not depend on the others."""
    return _words("comparison", comparison.experiment, comparison.left.arm, comparison.right.arm)


def _words(*names: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(names).lower()).strip("-")


def report_of(*documents: Document) -> ReportData:
    """Return the JSON data of several machines."""
    return ReportData(format=FORMAT, summaries=tuple(each.data for each in documents))
