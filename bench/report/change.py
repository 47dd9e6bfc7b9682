# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What changed between two sets of journals, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.judge.change import Change, Changes
from bench.judge.statistics import Estimate
from bench.judge.summary import Summary
from bench.report.units import budget, clean, point
from bench.report.words import machine_words


def lines(before: Sequence[Summary], after: Sequence[Summary], found: Changes) -> Iterator[str]:
    """The machines, every change, and what could not be compared."""
    yield f"A: {machine_words(before[0].machine)}"
    yield f"B: {machine_words(after[0].machine)}"
    many = len(found.changes)
    yield (
        f"{many} of {found.compared} numbers changed beyond the noise, "
        f"{len(found.regressions)} for the worse"
    )
    for change in found.changes:
        yield f"  {_sentence(change)}"
    if found.too_few:
        yield f"not judged: {found.too_few} numbers with fewer than 8 blocks in one of the sets"
    for words, names in (("only in A", found.only_before), ("only in B", found.only_after)):
        yield from (f"{words}: {clean(name)}" for name in names)


def _sentence(change: Change) -> str:
    then, now = (
        point(
            Estimate(scale=change.scale, point=value, low=value, high=value, blocks=2, p=1.0),
            change.unit,
        )
        for value in (change.before, change.after)
    )
    return (
        f"{'worse ' if change.worse else 'better'}  {clean(change.experiment)} at "
        f"{budget(change.budget)}: {clean(change.label)}, {clean(change.transport)} against "
        f"{clean(change.against)}, was {then}, is {now}"
    )
