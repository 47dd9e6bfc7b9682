# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What changed between two sets of journals, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.judge.statistics import Estimate
from bench.questions.change.counts import BudgetChange, CountChange
from bench.questions.change.difference import ClaimChange, Difference
from bench.questions.change.journal_set import JournalSet
from bench.questions.change.numbers import Change
from bench.questions.transports.words import machine_words, reduced
from bench.report.units import budget, clean, point, share, size


def lines(
    before: Sequence[JournalSet], after: Sequence[JournalSet], found: Difference
) -> Iterator[str]:
    """Yield the machines, every change, and what could not be compared."""
    yield from _machines("A", before)
    yield from _machines("B", after)
    for name, sets in (("A", before), ("B", after)):
        yield from (f"{name}: {line}" for line in reduced(sets[0].summary))
    yield (
        f"{found.changed} changed beyond the noise, {found.regressions} for the worse, of "
        f"{found.numbers.compared:,} numbers of one transport against another and "
        f"{found.counted:,} counts"
    )
    yield "what is not named is undecided: neither shown to have changed nor to be the same"
    for change in found.numbers.changes:
        yield f"  {_word(change)}  {_number(change)}"
    for count in found.counts:
        yield f"  {_word(count)}  {_count(count)}"
    for each in sorted(found.budgets, key=lambda one: not one.sure):
        yield f"  {_word(each) if each.sure else 'open  '}  {_budget(each)}"
    for claim in sorted(found.claims, key=lambda one: not one.sure):
        yield f"  {_word(claim) if claim.sure else 'open  '}  {_claim(claim)}"
    yield from _left_out(found)


def _machines(name: str, found: Sequence[JournalSet]) -> Iterator[str]:
    yield f"{name}: {machine_words(found[0].summary.machine)}"
    if len(found) > 1:
        yield f"   (the first of {len(found)} machines and kernels in it; the others are left out)"


def _left_out(found: Difference) -> Iterator[str]:
    numbers = found.numbers
    if numbers.too_few:
        yield f"not judged: {numbers.too_few:,} numbers with fewer than 8 blocks in one of the sets"
    for words, names in (
        ("only in A", numbers.only_before),
        ("only in B", numbers.only_after),
        ("not compared, since A and B ran them differently", numbers.unlike),
    ):
        if names:
            yield f"{words}: {'; '.join(map(clean, names))}"


def _word(change: Change | CountChange | BudgetChange | ClaimChange) -> str:
    return "worse " if change.worse else "better"


def _number(change: Change) -> str:
    then, now = (
        point(
            Estimate(scale=change.scale, point=value, low=value, high=value, blocks=2, p=1.0),
            change.unit,
        )
        for value in (change.before, change.after)
    )
    where = f"{budget(change.budget)}{f' ({clean(change.variant)})' if change.variant else ''}"
    return (
        f"{clean(change.experiment)} at {where}: {clean(change.label)}, "
        f"{clean(change.transport)} against {clean(change.against)}, was {then}, is {now}"
    )


def _count(change: CountChange) -> str:
    return (
        f"{clean(change.experiment)}, {clean(change.arm)}: {clean(change.label)}, "
        f"was {share(change.before)}, is {share(change.after)}"
    )


def _budget(change: BudgetChange) -> str:
    then, now = (
        "above the ladder" if each is None else size(each)
        for each in (change.before_bytes, change.after_bytes)
    )
    text = (
        f"{clean(change.experiment)}: minimum lossless budget, {clean(change.transport)}, "
        f"was {then}, is {now}"
    )
    return text if change.sure else f"{text} (may be chance)"


def _claim(change: ClaimChange) -> str:
    text = f"claim {change.claim.id}, was {change.before}, is {change.after}"
    differently = ", ".join(map(clean, change.unlike))
    return f"{text} (A and B ran {differently} differently)" if differently else text
