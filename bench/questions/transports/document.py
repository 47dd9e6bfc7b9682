# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show the comparison of transports: the verdict, a forest plot, every comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bench.judge.comparison import Compared, Comparison, Outcome
from bench.judge.statistics import Estimate, Scale
from bench.questions.transports import consumers
from bench.questions.transports.background import background
from bench.questions.transports.data import FORMAT, ReportData, data_of
from bench.questions.transports.decision import decision_table, first_pair, headline, sentences
from bench.questions.transports.figures import CHARTS, OPENING, figures
from bench.questions.transports.finding import sentence
from bench.questions.transports.measures import checks, measures, origin
from bench.questions.transports.quality import trouble
from bench.questions.transports.restored import table as restored_table
from bench.questions.transports.standing import Question, Standing
from bench.questions.transports.summary import Places, Summary
from bench.questions.transports.tables import LEGEND, comparison_table, ladder_table, overview_table
from bench.questions.transports.torn import sentence as torn_sentence
from bench.questions.transports.torn import table as torn_table
from bench.questions.transports.words import machine_words, place
from bench.report import document as doc
from bench.report.units import budget, interval, point


def document(summary: Summary, places: Places | None = None) -> doc.Document:
    """Return the document of ``summary``; with ``places``, charts and background for a page."""
    return doc.Document(
        title=headline(summary),
        subject=machine_words(summary.machine),
        parts=tuple(_parts(summary, places)),
        data=data_of(summary),
        short="Comparison",
        origin=origin(summary.machine),
        measures=measures(summary),
        checks=tuple(checks(summary)),
    )


def _parts(summary: Summary, places: Places | None) -> Iterator[doc.Part]:
    yield from sentences(summary)
    for each in summary.consumers:
        yield doc.Sentence(lead="Consumers", text=consumers.sentence(each))
    if summary.torn:
        yield torn_sentence(summary.torn)
    yield from trouble(summary)
    if places is not None and summary.standings:
        yield doc.Figures(make=lambda: figures(summary, OPENING))
        yield _forest(first_pair(summary))
    if summary.comparisons:
        yield decision_table(summary)
        yield from restored_table(summary)
    for each in summary.consumers:
        yield consumers.table(f"consumers-{_address(each.comparison)}", each)
    if summary.torn:
        yield torn_table(summary.torn)
    if places is not None:
        yield doc.Heading(text="Charts", key="charts", level=doc.Level.BACKGROUND)
        yield doc.Figures(make=lambda: figures(summary, CHARTS))
    yield from _comparisons(summary)
    if places is not None:
        yield from background(summary, places)


def _comparisons(summary: Summary) -> Iterator[doc.Part]:
    if not summary.comparisons and not summary.ladders:
        return
    yield doc.Heading(
        text="All comparisons", key="tables", short="Tables", level=doc.Level.EVIDENCE
    )
    if summary.comparisons:
        yield overview_table(summary.comparisons)
    for each in summary.comparisons:
        table = comparison_table(_address(each), each)
        gist = sentence(each, in_instructions=summary.counted)
        yield doc.Fold(key=table.key, summary=place(each), gist=gist, parts=(table,))
    for ladder in summary.ladders:
        table = ladder_table(_words("ladder", ladder.experiment, ladder.transport), ladder)
        yield doc.Fold(key=table.key, summary=table.title, parts=(table,))
    if summary.comparisons:
        yield doc.Note(text=LEGEND, level=doc.Level.EVIDENCE)


def _address(comparison: Comparison) -> str:
    """Return the address of a comparison on a page, which does not depend on the others."""
    return _words("comparison", comparison.experiment, comparison.left.arm, comparison.right.arm)


def _words(*names: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", " ".join(names).lower()).strip("-")


def _forest(standings: Sequence[Standing]) -> doc.Forest:
    """Return the forest plot: every comparison of these standings, by question."""
    first = standings[0]
    return doc.Forest(
        key="forest",
        title=f"Every comparison: {first.left} against {first.right}",
        groups=tuple(group for each in standings if (group := _group(each))),
        hint=f"Left of the line {first.left} has less, right of it {first.right}. Line: 95 % "
        "interval; shade: the margin, noise included; circle: trials in blocks; diamond: within "
        "the same storms (duet); coloured where a side is better, corrected for the number of "
        "comparisons.",
    )


def _group(standing: Standing) -> doc.Effects | None:
    known = [
        (each, row, row.estimate)
        for each in standing.comparisons
        if (row := each.row(standing.question.key)) and row.estimate
    ]
    differ = [each for each in known if each[1].outcome is not Outcome.EQUAL]
    scales = {estimate.scale for *_, estimate in differ}
    if len(scales) != 1:
        return None
    memory = standing.question is Question.MEMORY
    if memory:  # which does not depend on the storm: one row per budget
        differ.sort(key=lambda each: each[0].left.budget_bytes)
    first: dict[str, tuple[Comparison, Compared, Estimate]] = {}
    for one in differ:
        first.setdefault(budget(one[0].budget) if memory else place(one[0]), one)
    same, ratio = len(known) - len(differ), scales == {Scale.RATIO}
    return doc.Effects(
        title=f"{standing.question.heading}: {'ratio' if ratio else 'difference of shares'}",
        ratio=ratio,
        rows=tuple(_effect(standing, label, *one) for label, one in first.items()),
        more=f"{same} more: the same in every block" if same else "",
    )


def _effect(
    standing: Standing, label: str, comparison: Comparison, row: Compared, found: Estimate
) -> doc.Effect:
    """Return a row of the plot; it names a side only if the decision counts the comparison."""
    winners = (side for side, decided in standing.wins if comparison in decided)
    return doc.pick(
        doc.Effect,
        found,
        label=label,
        key=_address(comparison),
        margin=row.margin,
        words=f"{point(found, row.unit)} ({interval(found, row.unit)})",
        duet=comparison.duet,
        better=next(winners, ""),
    )


def report_of(*documents: doc.Document) -> ReportData:
    """Return the JSON data of several machines."""
    return ReportData(format=FORMAT, summaries=tuple(each.data for each in documents))
