# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a run says of both transports, as a document: the verdict, then every comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.judge.comparison import Comparison, Row
from bench.judge.ladder import Ladder
from bench.questions.transports import headline, memory, repeat, words
from bench.questions.transports.data import data_of
from bench.questions.transports.figures import figures
from bench.questions.transports.sentence import name, place, sentence, verdict
from bench.questions.transports.summary import Material, Summary
from bench.report.document import (
    NONE,
    Cell,
    Column,
    Command,
    Definitions,
    Document,
    Evidence,
    Figures,
    Fold,
    Heading,
    Level,
    Mark,
    Note,
    Part,
    Sentence,
    Table,
)
from bench.report.document import Row as Shown
from bench.report.units import number, share, size

_OVERVIEW: Final = (
    ("own_dropped_share", "dropped"),
    ("causal_violation_share", "violations"),
    ("latency_p50_ns", "p50"),
    ("latency_p99_ns", "p99"),
)
_STATES: Final = ("valid", "noisy", "disturbed", "reduced", "invalid")
_BACKGROUND: Final = Level.BACKGROUND


def document(summary: Summary, material: Material | None = None) -> Document:
    """Return what ``summary`` says; charts and background need its ``material``."""
    return Document(
        title=headline.headline(summary),
        subject=words.machine_words(summary.machine),
        parts=(
            *_verdict(summary),
            *_charts(summary, material),
            *_comparisons(summary),
            *_background(material),
        ),
        data=data_of(summary),
        short="Comparison",
    )


def _verdict(summary: Summary) -> Iterator[Part]:
    for line in verdict(summary):
        lead, colon, text = line.partition(": ")
        yield Sentence(lead=lead, text=text) if colon else Sentence(text=line)
    for line in words.trouble(summary):
        yield Note(text=line, mark=Mark.OPEN)


def _charts(summary: Summary, material: Material | None) -> Iterator[Part]:
    if material is None:
        return
    rows = headline.first_rows(summary)
    if rows:
        yield _headline_numbers(summary.comparisons[0], rows)
    yield Heading(text="Charts", key="charts", level=_BACKGROUND)
    yield Figures(make=lambda: figures(material))


def _headline_numbers(comparison: Comparison, rows: Sequence[headline.FirstRow]) -> Table:
    return Table(
        key="headline",
        title="Headline numbers; where the headline names a side, from a comparison behind it",
        corner="number",
        columns=(
            *_sides(comparison),
            Column(heading="ratio or diff."),
            Column(heading="95 % interval"),
            Column(heading="better", numeric=False),
            Column(heading="measured in", numeric=False),
        ),
        rows=tuple(
            Shown(
                heading=Cell(text=row.label),
                cells=(
                    *(Cell(text=text) for text in (row.left, row.right, row.point, row.interval)),
                    _better(row.better, decided=row.decided),
                    Cell(text=row.where, mark=Mark.SOFT),
                ),
            )
            for row in rows
        ),
        hint="Where nothing was decided, drops are from where the loss is nearest to half, order "
        "from where most violations were seen, the rest from where nothing was lost. "
        f"{words.LEGEND}",
        level=_BACKGROUND,
    )


def _sides(comparison: Comparison) -> tuple[Column, Column]:
    left, right = comparison.left.transport, comparison.right.transport
    return Column(heading=left, transport=left), Column(heading=right, transport=right)


def _better(text: str, *, decided: bool) -> Cell:
    mark = Mark.GOOD if decided else Mark.SOFT
    return Cell(text=text, mark=mark, transport=text if decided else "")


def _overview(comparisons: Sequence[Comparison]) -> Table:
    """Make two rows a comparison, so that the table fits 80 columns."""
    return Table(
        key="overview",
        title="Every comparison at a glance",
        corner="experiment and budget",
        columns=(
            Column(heading="transport", numeric=False),
            *(Column(heading=label) for _, label in _OVERVIEW),
        ),
        rows=tuple(row for each in comparisons for row in _both(each)),
    )


def _both(comparison: Comparison) -> Iterator[Shown]:
    pairs = [_cells(comparison.row(key)) for key, _ in _OVERVIEW]
    for at, side in enumerate((comparison.left, comparison.right)):
        yield Shown(
            heading=Cell(text="" if at else place(comparison)),
            cells=(
                Cell(text=side.transport, transport=side.transport),
                *(pair[at] for pair in pairs),
            ),
        )


def _cells(row: Row | None) -> tuple[Cell, Cell]:
    if row is None:
        return Cell(text=NONE), Cell(text=NONE)
    texts = number(row.left, row.unit), number(row.right, row.unit)
    better = (Mark.GOOD, Mark.NONE) if row.better < 0 else (Mark.NONE, Mark.GOOD)
    marks = better if row.better else (Mark.NONE, Mark.NONE)
    return (
        Cell(text=texts[0], value=row.left, mark=marks[0]),
        Cell(text=texts[1], value=row.right, mark=marks[1]),
    )


def _comparisons(summary: Summary) -> Iterator[Part]:
    if not summary.comparisons and not summary.ladders:
        return
    yield Heading(text="All comparisons", key="tables", short="Tables", level=Level.EVIDENCE)
    if summary.comparisons:
        yield _overview(summary.comparisons)
    for at, comparison in enumerate(summary.comparisons):
        yield Fold(
            key=f"comparison-{at}",
            summary=place(comparison),
            gist=sentence(comparison),
            parts=(_comparison(at, comparison),),
        )
    for at, ladder in enumerate(summary.ladders):
        table = _ladder(at, ladder)
        yield Fold(key=f"ladder-{at}", summary=table.title, parts=(table,))
    if summary.comparisons:
        yield Note(text=words.LEGEND, level=Level.EVIDENCE)


def _comparison(at: int, comparison: Comparison) -> Table:
    left, right = comparison.left, comparison.right
    return Table(
        key=f"comparison-{at}",
        title=f"{place(comparison)}: {left.trials} and {right.trials} trials",
        corner="number",
        columns=(
            *_sides(comparison),
            Column(heading="ratio or diff."),
            Column(heading="95 % interval"),
            Column(heading="better", numeric=False),
        ),
        rows=tuple(map(_line, words.lines(comparison))),
    )


def _line(line: words.Line) -> Shown:
    return Shown(
        heading=Cell(text=line.label.strip()),
        cells=(
            *(Cell(text=text) for text in (line.left, line.right, line.point, line.interval)),
            _better(line.better, decided=line.decided),
        ),
        begins=line.begins_group,
        under=line.label.startswith(" "),
        evidence=Evidence(low=line.low, high=line.high) if line.low is not None else None,
    )


def _ladder(at: int, ladder: Ladder) -> Table:
    headings = ("storms that lost", "storms", "probability", "at most (95 %)")
    return Table(
        key=f"ladder-{at}",
        title=f"Loss by budget: {name(ladder.transport)}, {ladder.experiment}",
        corner="budget",
        columns=tuple(Column(heading=heading) for heading in headings),
        rows=tuple(
            Shown(
                heading=Cell(text=size(rung.budget_bytes), value=rung.budget_bytes),
                cells=(
                    Cell(text=str(rung.lossy), value=rung.lossy),
                    Cell(text=str(rung.trials), value=rung.trials),
                    Cell(text=share(rung.lossy / rung.trials), value=rung.lossy / rung.trials),
                    Cell(text=share(rung.bound), value=rung.bound),
                ),
            )
            for rung in ladder.rungs
        ),
    )


def _background(material: Material | None) -> Iterator[Part]:
    if material is None:
        return
    yield from _memory(material)
    yield from _noise(material)
    yield from _repeat(material)


def _memory(material: Material) -> Iterator[Part]:
    yield Heading(text="Memory explained", key="memory", short="Memory", level=_BACKGROUND)
    yield Note(
        text="The usual instruments disagree, since each counts something else:",
        level=_BACKGROUND,
    )
    yield Definitions(entries=tuple((term, (text,)) for term, text in memory.EXPLAINED.items()))
    rows = memory.memory_rows(material)
    if rows:
        headings = ("budget", "true bytes", *memory.LABELS)
        yield Table(
            key="memory",
            title="Memory by transport and budget",
            corner="transport",
            columns=tuple(Column(heading=heading) for heading in headings),
            rows=tuple(
                Shown(
                    heading=Cell(text=row.transport, transport=row.transport),
                    cells=(Cell(text=row.budget), Cell(text=row.physical), *row.cells),
                    reason=row.note,
                )
                for row in rows
            ),
            hint='"-": an instrument reported nothing; ✓ agrees with the true bytes (mapped: with '
            "its formula).",
            level=_BACKGROUND,
        )


def _noise(material: Material) -> Iterator[Part]:
    summary = material.summary
    yield Heading(text="Noise and trials", key="noise", short="Noise", level=_BACKGROUND)
    yield Table(
        key="states",
        title="Trials by experiment and state; reduced and invalid ones enter no comparison",
        corner="experiment",
        columns=tuple(Column(heading=heading) for heading in _STATES),
        rows=tuple(
            Shown(
                heading=Cell(text=tally.experiment),
                cells=tuple(
                    Cell(text=str(count), value=count)
                    for count in (getattr(tally, state) for state in _STATES)
                ),
            )
            for tally in summary.tallies
        ),
        level=_BACKGROUND,
    )
    yield Definitions(entries=tuple((term, (text,)) for term, text in repeat.noise(material)))
    named = repeat.named(material)
    if not named:
        yield Note(
            text="All trials are valid: every ledger balanced, nothing was disturbed.",
            level=_BACKGROUND,
        )
        return
    yield Fold(
        key="named",
        summary=f"{len(named)} trials that are not plainly valid",
        parts=(
            Table(
                key="named",
                title="Invalid trials first",
                corner="trial",
                columns=tuple(
                    Column(heading=heading, numeric=False)
                    for heading in ("state", "why", "journal")
                ),
                rows=tuple(
                    Shown(
                        heading=Cell(text=each.trial),
                        cells=tuple(
                            Cell(text=text) for text in (each.state, each.reasons, each.line)
                        ),
                    )
                    for each in named
                ),
                level=_BACKGROUND,
            ),
        ),
        level=_BACKGROUND,
    )


def _repeat(material: Material) -> Iterator[Part]:
    yield Heading(text="To repeat it", key="repeat", short="Repeat", level=_BACKGROUND)
    for run in repeat.run_facts(material):
        yield Command(text=run.command)
        resumed = ", resumed" if run.resumed else ""
        yield Note(
            text=f"{run.started}: profile {run.profile}, seed {run.seed}, {run.trials:,} trials"
            f"{resumed}",
            level=_BACKGROUND,
        )
    yield Table(
        key="machine",
        title="Machine and kernel; facts of the kernel are probed from BTF and tracefs",
        corner="fact",
        columns=(Column(heading="", numeric=False),),
        rows=tuple(
            Shown(heading=Cell(text=fact), cells=(Cell(text=value),))
            for fact, value in repeat.machine_facts(material.summary.machine)
        ),
        level=_BACKGROUND,
    )
