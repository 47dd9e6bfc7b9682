# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What changed between two sets of journals, as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.judge.statistics import Estimate
from bench.linux.machine import Machine
from bench.questions.change.counts import BudgetChange, CountChange
from bench.questions.change.difference import ClaimChange, Difference
from bench.questions.change.journal_set import JournalSet
from bench.questions.change.numbers import Change
from bench.questions.claims.finding import Verdict
from bench.questions.transports.words import machine_words, reduced
from bench.report.document import (
    Cell,
    Column,
    Document,
    Mark,
    Note,
    Part,
    Row,
    Sentence,
    Table,
    pick,
)
from bench.report.units import budget, point, share, size

FORMAT: Final = 1

_OPEN: Final = "what is not named is undecided: neither shown to have changed nor to be the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountData:
    """The mean share of one arm's trials, before and after."""

    experiment: str
    arm: str
    key: str
    before: float
    after: float
    p: float
    worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetData:
    """A minimum lossless budget, before and after; null: above the ladder."""

    experiment: str
    transport: str
    before_bytes: int | None
    after_bytes: int | None
    p: float
    sure: bool
    worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData:
    """A claim's verdict, before and after."""

    id: str
    before: Verdict
    after: Verdict
    unlike: tuple[str, ...]
    sure: bool
    worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What could not be compared."""

    too_few_blocks: int
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    unlike: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeData:
    """What JSON has; ``format`` goes up when a key changes its meaning."""

    format: int
    before: Machine | None
    after: Machine | None
    changed: int
    regressions: int
    compared_numbers: int
    compared_counts: int
    numbers: tuple[Change, ...]
    counts: tuple[CountData, ...]
    budgets: tuple[BudgetData, ...]
    claims: tuple[ClaimData, ...]
    left_out: LeftOut


def document(
    before: Sequence[JournalSet], after: Sequence[JournalSet], found: Difference
) -> Document:
    """Return the machines, every change, and what could not be compared."""
    return Document(
        title=f"{found.changed} changed beyond the noise, {found.regressions} for the worse, of "
        f"{found.numbers.compared:,} numbers of one transport against another and "
        f"{found.counted:,} counts",
        subject="",
        parts=(
            *_machine("A", before),
            *_machine("B", after),
            *_changes(found),
            Note(text=_OPEN),
            *_left_out(found),
        ),
        data=_data(before[0], after[0], found),
    )


def _data(before: JournalSet, after: JournalSet, found: Difference) -> ChangeData:
    numbers = found.numbers
    return pick(
        ChangeData,
        found,
        format=FORMAT,
        before=before.summary.machine,
        after=after.summary.machine,
        compared_numbers=numbers.compared,
        compared_counts=found.counted,
        numbers=numbers.changes,
        counts=tuple(pick(CountData, each) for each in found.counts),
        budgets=tuple(pick(BudgetData, each) for each in found.budgets),
        claims=tuple(pick(ClaimData, each, id=each.claim.id) for each in found.claims),
        left_out=pick(LeftOut, numbers, too_few_blocks=numbers.too_few),
    )


def _machine(name: str, found: Sequence[JournalSet]) -> Iterator[Part]:
    yield Sentence(lead=name, text=machine_words(found[0].summary.machine))
    if len(found) > 1:
        yield Note(
            text=f"{name}: the first of {len(found)} machines and kernels; the others are left out"
        )
    for line in reduced(found[0].summary):
        yield Note(text=f"{name}: {line}", mark=Mark.OPEN)


def _changes(found: Difference) -> Iterator[Table]:
    rows = (
        *map(_number, found.numbers.changes),
        *map(_count, found.counts),
        *map(_budget, sorted(found.budgets, key=lambda one: not one.sure)),
        *map(_claim, sorted(found.claims, key=lambda one: not one.sure)),
    )
    if rows:
        headings = ("what", "was", "is")
        yield Table(
            key="changes",
            title="Changes from A to B",
            corner="change",
            columns=tuple(Column(heading=heading, numeric=False) for heading in headings),
            rows=rows,
        )


def _row(what: str, was: str, now: str, *, worse: bool, sure: bool = True) -> Row:
    word, mark = ("worse", Mark.BAD) if worse else ("better", Mark.GOOD)
    return Row(
        heading=Cell(text=word, mark=mark) if sure else Cell(text="open", mark=Mark.OPEN),
        cells=(Cell(text=what), Cell(text=was), Cell(text=now)),
    )


def _number(change: Change) -> Row:
    was, now = (
        point(
            Estimate(scale=change.scale, point=value, low=value, high=value, blocks=2, p=1.0),
            change.unit,
        )
        for value in (change.before, change.after)
    )
    where = f"{budget(change.budget)}{f' ({change.variant})' if change.variant else ''}"
    what = f"{change.label}, {change.transport} against {change.against}"
    return _row(f"{change.experiment} at {where}: {what}", was, now, worse=change.worse)


def _count(change: CountChange) -> Row:
    what = f"{change.experiment}, {change.arm}: {change.label}"
    return _row(what, share(change.before), share(change.after), worse=change.worse)


def _budget(change: BudgetChange) -> Row:
    was, now = (
        "above the ladder" if each is None else size(each)
        for each in (change.before_bytes, change.after_bytes)
    )
    chance = "" if change.sure else " (may be chance)"
    what = f"{change.experiment}: minimum lossless budget, {change.transport}{chance}"
    return _row(what, was, now, worse=change.worse, sure=change.sure)


def _claim(change: ClaimChange) -> Row:
    differently = f" (A and B ran {', '.join(change.unlike)} differently)" if change.unlike else ""
    return _row(
        f"claim {change.claim.id}{differently}",
        change.before,
        change.after,
        worse=change.worse,
        sure=change.sure,
    )


def _left_out(found: Difference) -> Iterator[Note]:
    numbers = found.numbers
    if numbers.too_few:
        few = f"{numbers.too_few:,} numbers with fewer than 8 blocks in one of the sets"
        yield Note(text=f"not judged: {few}")
    for words, names in (
        ("only in A", numbers.only_before),
        ("only in B", numbers.only_after),
        ("not compared, since A and B ran them differently", numbers.unlike),
    ):
        if names:
            yield Note(text=f"{words}: {'; '.join(names)}")
