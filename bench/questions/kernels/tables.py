# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the tables of the report over kernels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from bench.amounts import counted, size
from bench.errors import clean
from bench.judge.memory import INSTRUMENTS
from bench.judge.metrics import Unit
from bench.judge.sums import Torn
from bench.questions.kernels.answers import IN_PART, TOO_FEW_PAIRS, Answers
from bench.questions.kernels.curves import Curve, Point
from bench.questions.kernels.matrix import Matrix, TornOn
from bench.questions.kernels.outcome import Status
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.background import cell
from bench.questions.transports.standing import LEAST_PAIRS
from bench.questions.transports.torn import HINT, words
from bench.questions.transports.words import listed
from bench.report.document import NONE, Cell, Mark, Row, Sentence, Table
from bench.report.table import cells, columns
from bench.report.units import budget, number
from bench.tracer.transports import ranked, traits

ONSET: Final = "◆"
"""Marks where a state differs from the last kernel's (preemption: of the same flavour)."""

_SHOWN: Final = tuple(each for each in INSTRUMENTS if each.key != "locked_bytes")
"""Without VmLck, which was 0 on every kernel so far; JSON has it."""


def _table(
    key: str,
    title: str,
    headings: Iterable[str],
    rows: Iterable[Row],
    hint: str = "",
    *,
    corner: str = "kernel",
    numeric: bool = True,
) -> Table:
    headed = columns(*headings, numeric=numeric)
    return Table(key=key, title=title, corner=corner, columns=headed, rows=tuple(rows), hint=hint)


def _row(label: str, cells: Iterable[Cell], reason: str = "", *, begins: bool = False) -> Row:
    heading = Cell(text=clean(label))
    return Row(heading=heading, cells=tuple(cells), reason=reason, begins=begins)


def answers(matrix: Matrix, found: Sequence[Answers]) -> Table:
    """Tabulate the answer to each question on each kernel."""
    by_kernel: dict[str, list[Cell]] = {}
    every = [answer for question in found for answer in question.answers]
    for each in every:
        hint = f"not as on {each.changed}; {each.why}" if each.changed else each.why
        cell = _marked(each.words, hint, changed=bool(each.changed))
        by_kernel.setdefault(each.kernel, []).append(cell)
    rows = (
        _row(row.label, by_kernel.get(row.label, ()), _ending(row) if row.result is None else "")
        for row in matrix.rows
    )
    hint = "What the better side saves, least to most where decided. Claims: reproduced of judged"
    hints = [hint]
    if any(each.words == TOO_FEW_PAIRS for each in every):
        hints.append(f"{TOO_FEW_PAIRS}: a trial had fewer than {LEAST_PAIRS:,} causal pairs")
    if any(each.partly for each in every):
        hints.append(f"{IN_PART}: with some ways of waiting")
    if any(each.changed for each in every):
        hints.append(f"{ONSET}: differs from the previous kernel")
    hint = f"{'; '.join(hints)}."
    title = "Which is better on each kernel, and by how much"
    headings = (each.heading for each in found)
    return _table("answers", title, headings, rows, hint, numeric=False)


def _marked(text: str, hint: str = "", *, changed: bool) -> Cell:
    """Return a cell that shows whether it differs from the last kernel's."""
    if not changed:
        return Cell(text=text, hint=hint)
    return Cell(text=f"{text} {ONSET}", mark=Mark.NEW, hint=hint)


def _ending(row: KernelRow) -> str:
    """Return how a kernel's run ended, if not as it should."""
    ending = "" if row.status == Status.DONE else f"{row.status}: {row.reason}"
    if row.result is None:
        return clean(ending or row.reason)
    return clean("; ".join(filter(None, (ending, *row.notes))))


def kernels(matrix: Matrix) -> Table:
    """Tabulate the facts of each kernel, and how its run ended."""
    rows = []
    for at, row in enumerate(matrix.rows):
        states = (
            _marked(clean(each.states[at] or "not known"), changed=row.label in each.onsets)
            for each in matrix.changes
        )
        rows.append(_row(row.label, states if row.result is not None else (), _ending(row)))
    hint = (
        "Facts are probed from BTF, tracefs and instruments, never derived from a version. "
        f"{ONSET} marks a state that differs from the kernel before (preemption: within a flavour)."
    )
    headings = (change.short for change in matrix.changes)
    return _table("kernels", "What each kernel has", headings, rows, hint, numeric=False)


def title_of(found: Curve) -> str:
    """Return "events lost, storm at 64 KiB"."""
    where = f" at {budget(found.budget)}" if found.budget else ""
    return f"{found.what}, {clean(found.experiment)}{where}" if found.experiment else found.what


def curve(found: Curve) -> Table:
    """Tabulate one number of every kernel that has it, with intervals."""
    headings = (heading for series in found.series for heading in (series, "95 % interval"))
    rows = (
        _row(kernel, chain(*(_cells(found.at(kernel, each), found.unit) for each in found.series)))
        for kernel in dict.fromkeys(point.kernel for point in found.points)
    )
    return _table(found.key, title_of(found), headings, rows)


def point_words(point: Point, unit: Unit, to: str = " .. ") -> tuple[str, str, str]:
    """Return a point's value, its interval and its note."""
    sign = "x " if unit is Unit.TIMES else ""
    note = counted(point.blocks, "block") + (f", {point.note}" if point.note else "")
    interval = to.join(number(bound, unit) for bound in (point.low, point.high))
    return f"{sign}{number(point.value, unit)}", interval, note


def _cells(point: Point | None, unit: Unit) -> tuple[Cell, Cell]:
    if point is None:
        return Cell(text=NONE), Cell(text="")
    value, interval, note = point_words(point, unit)
    return Cell(text=value, hint=note), Cell(text=interval if point.blocks > 1 else NONE)


def memory(matrix: Matrix) -> Iterator[Table]:
    """Tabulate each budget: what each instrument shows of each transport and kernel."""
    found = [(row, judged) for row, result in matrix.measured for judged in result.memory]
    places = {(judged.line.budget_bytes, judged.line.transport) for _, judged in found}
    for budget_bytes in sorted({budget_bytes for budget_bytes, _ in places}):
        rows: list[Row] = []
        for transport in ranked(name for _, name in places):
            place = (budget_bytes, transport)
            here = [e for e in found if (e[1].line.budget_bytes, e[1].line.transport) == place]
            for row, judged in here:
                unread = clean("; ".join(dict.fromkeys(judged.line.untold.values())))
                seen = cells(
                    number(judged.line.physical_bytes, Unit.BYTES),
                    *(cell(judged, each.key) for each in _SHOWN),
                )
                label = f"{row.label} {judged.line.transport}"
                rows.append(_row(label, seen, unread, begins=judged is here[0][1]))
        yield _table(
            f"memory:{budget_bytes}",
            f"Memory at {size(budget_bytes)}, by instrument",
            ("true bytes", *(each.label for each in _SHOWN)),
            rows,
            "✓ agrees with the true bytes: mapped (with its own formula) and fdinfo to a "
            "page, the others to a tenth. memcg and free pages are the change over 64 copies, "
            "over 64.",
            corner="kernel and transport",
        )


def torn_sentences(found: Sequence[TornOn]) -> Iterator[Sentence]:
    """Yield the kernels on which records were torn, and how many."""
    for on in found:
        if arms := [arm for arm in on.arms if arm.torn]:
            lost = f"{sum(a.torn for a in arms):,} of {sum(a.delivered for a in arms):,} records"
            first = f"{traits(arms[0].transport).title} on a {words(arms[0])}"
            of = first if len(arms) == 1 else f"{len(arms)} arms"
            lead = clean(f"Torn on {on.kernel}, preemption {on.preemption}")
            yield Sentence(lead=lead, text=clean(f"{lost} of {of}."))
    if clear := [on.kernel for on in found if not any(arm.torn for arm in on.arms)]:
        yield Sentence(lead="Torn", text=clean(f"no record on {listed(clear)}."))


def torn(found: Sequence[TornOn]) -> Table:
    """Tabulate kernels by arms: torn of delivered, and exits that the kernel skipped."""
    arms = [{f"{traits(e.transport).short}, {words(e)}": e for e in on.arms} for on in found]
    names = dict.fromkeys(name for each in arms for name in each)
    title = "Torn records of those delivered, by what the programs are attached to"
    rows = (
        _row(on.kernel, (*cells(clean(on.preemption)), *(_torn(each.get(name)) for name in names)))
        for on, each in zip(found, arms, strict=True)
    )
    return _table("torn", title, ("preemption", *map(clean, names)), rows, HINT)


def _torn(found: Torn | None) -> Cell:
    if found is None:
        return Cell(text=NONE)
    return Cell(
        text=f"{found.torn:,} of {found.delivered:,}",
        value=found.torn,
        mark=Mark.OPEN if found.torn else Mark.NONE,
        hint=f"{found.missed:,} of {found.reaped:,} exits skipped",
    )
