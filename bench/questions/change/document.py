# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report on what changed between two sets of journals, as a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from bench.amounts import counted, share, size
from bench.judge.statistics import Estimate
from bench.questions.change.difference import Difference
from bench.questions.change.journal_set import JournalSet
from bench.questions.change.numbers import COUNTS
from bench.questions.transports.quality import reduced
from bench.questions.transports.words import machine_words
from bench.report import document as doc
from bench.report.table import columns, row
from bench.report.units import budget, point, spaced

_PASSING: Final = {
    doc.Mark.BAD: doc.Passing.FAILED,
    doc.Mark.GOOD: doc.Passing.PASSED,
    doc.Mark.OPEN: doc.Passing.SKIPPED,
}
_OPEN: Final = "anything not named is undecided: neither shown to have changed nor to be the same"


def document(
    before: Sequence[JournalSet], after: Sequence[JournalSet], found: Difference
) -> doc.Document:
    """Return the machines, every change, and what could not be compared."""
    return doc.Document(
        title=f"{found.changed} changed beyond the noise, {found.regressions} for the worse, of "
        f"{found.compared_numbers:,} numbers of one transport against another and "
        f"{found.compared_counts:,} counts",
        subject="",
        parts=(
            *_machine("A", before),
            *_machine("B", after),
            *_changes(found),
            doc.Note(text=_OPEN),
            *_left_out(found),
        ),
        data=found,
        checks=tuple(_checks(found)),
    )


def _checks(found: Difference) -> Iterator[doc.Check]:
    """Yield whether nothing got worse, then every change."""
    compared = found.compared_numbers + found.compared_counts
    passed = doc.Passing.PASSED if compared else doc.Passing.SKIPPED
    yield doc.Check(
        name="no regression",
        outcome=doc.Passing.FAILED if found.regressions else passed,
        text=f"{found.regressions} got worse of {compared:,} numbers and counts",
    )
    for each in _rows(found):
        what, was, now = (cell.text for cell in each.cells)
        yield doc.Check(name=what, outcome=_PASSING[each.heading.mark], text=f"was {was}, is {now}")


def _machine(name: str, found: Sequence[JournalSet]) -> Iterator[doc.Part]:
    yield doc.Sentence(lead=name, text=machine_words(found[0].summary.machine))
    if len(found) > 1:
        yield doc.Note(
            text=f"{name}: the first of {len(found)} machines and kernels; the others are left out"
        )
    for line in reduced(found[0].summary):
        yield doc.Note(text=f"{name}: {line}", mark=doc.Mark.OPEN)


def _changes(found: Difference) -> Iterator[doc.Table]:
    rows = tuple(_rows(found))
    if rows:
        yield doc.Table(
            key="changes",
            title="Changes from A to B",
            corner="change",
            columns=columns("what", "was", "is", numeric=False),
            rows=rows,
        )


def _rows(found: Difference) -> Iterator[doc.Row]:
    for number in found.numbers:
        where = budget(number.budget) + (f" ({number.variant})" if number.variant else "")
        what = f"{number.label}, {number.transport} against {number.against}"
        was, now = (
            point(
                Estimate(scale=number.scale, point=value, low=value, high=value, blocks=2, p=1.0),
                number.unit,
            )
            for value in (number.before, number.after)
        )
        yield _row(f"{number.experiment} at {where}: {what}", was, now, worse=number.worse)
    for count in found.counts:
        what = f"{count.experiment}, {count.arm}: {COUNTS[count.key].label}"
        yield _row(what, share(count.before), share(count.after), worse=count.worse)
    for each in sorted(found.budgets, key=lambda one: not one.sure):
        was, now = (
            "above the ladder" if size_bytes is None else size(size_bytes)
            for size_bytes in (each.before_bytes, each.after_bytes)
        )
        chance = "" if each.sure else " (may be chance)"
        what = f"{each.experiment}: minimum lossless budget, {each.transport}{chance}"
        yield _row(what, was, now, worse=each.worse, sure=each.sure)
    for claim in sorted(found.claims, key=lambda one: not one.sure):
        unlike = f" (A and B ran {', '.join(claim.unlike)} differently)" if claim.unlike else ""
        what = f"claim {claim.id}{unlike}"
        yield _row(what, claim.before, claim.after, worse=claim.worse, sure=claim.sure)


def _row(what: str, was: str, now: str, *, worse: bool, sure: bool = True) -> doc.Row:
    word, mark = ("worse", doc.Mark.BAD) if worse else ("better", doc.Mark.GOOD)
    if not sure:
        word, mark = "open", doc.Mark.OPEN
    return row(doc.Cell(text=word, mark=mark), what, was, now)


def _left_out(found: Difference) -> Iterator[doc.Note]:
    left_out = found.left_out
    if few := left_out.too_few_blocks:
        text = f"{counted(few, 'number')} with fewer than 8 blocks in one of the sets"
        yield doc.Note(text=f"not judged: {text}")
    for words, names in (
        ("only in A", left_out.only_before),
        ("only in B", left_out.only_after),
        ("not compared, since A and B ran them differently", left_out.unlike),
    ):
        if names:
            yield doc.Note(text=f"{words}: {_together(names)}")


def _together(names: Iterable[str]) -> str:
    """List comparisons, naming their sides once."""
    places: dict[str, list[str]] = {}
    for name in names:
        place, _, sides = name.rpartition(", ")
        places.setdefault(sides, []).append(spaced(place))
    return "; ".join(f"{sides} in {', '.join(where)}" for sides, where in places.items())
