# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare two sets of journals: everything that differs beyond the noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.linux.machine import Machine
from bench.questions.change.journal_set import JournalSet, same_question
from bench.questions.change.numbers import (
    BudgetChange,
    Change,
    CountChange,
    LeftOut,
    budget_changes,
    changes,
    count_changes,
)
from bench.questions.claims.claim import Finding, Side, Verdict

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimChange:
    """Hold a claim whose verdict changed."""

    id: str
    before: Verdict
    after: Verdict
    unlike: tuple[str, ...]  # its experiments that A and B ran differently
    sure: bool  # from reproduced to refuted or back; else there may just be too few trials
    worse: bool  # it now speaks against the ring buffer


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Hold the changes from one set to the other, as in JSON.

    ``format`` is raised when a key changes its meaning.
    """

    format: int = FORMAT
    before: Machine | None
    after: Machine | None
    changed: int  # beyond the noise
    regressions: int  # of these, for the worse
    compared_numbers: int  # in both sets, with enough blocks
    compared_counts: int
    numbers: tuple[Change, ...]  # of one transport against another
    counts: tuple[CountChange, ...]  # of one transport
    budgets: tuple[BudgetChange, ...]
    claims: tuple[ClaimChange, ...]
    left_out: LeftOut


def difference(before: JournalSet, after: JournalSet) -> Difference:
    """Compare everything that both sets contain."""
    numbers, compared_numbers, left_out = changes(before, after)
    counts, compared_counts = count_changes(before, after)
    budgets, claims = tuple(budget_changes(before, after)), tuple(_claims(before, after))
    worse = [
        *(each.worse for each in numbers),
        *(each.worse for each in counts),
        *(each.worse for each in budgets if each.sure),
        *(each.worse for each in claims if each.sure),
    ]
    return Difference(
        before=before.summary.machine,
        after=after.summary.machine,
        changed=len(worse),
        regressions=sum(worse),
        compared_numbers=compared_numbers,
        compared_counts=compared_counts,
        numbers=numbers,
        counts=counts,
        budgets=budgets,
        claims=claims,
        left_out=left_out,
    )


def _claims(before: JournalSet, after: JournalSet) -> Iterator[ClaimChange]:
    verdicts = {each.claim.id: each.finding.verdict for each in after.judged.judgements}
    for each in before.judged.judgements:
        then, now = each.finding.verdict, verdicts[each.claim.id]
        if then is now or Verdict.NOT_MEASURED in (then, now):
            continue
        unlike = tuple(dict.fromkeys(_unlike(each.finding, before, after)))
        sure = not unlike and {then, now} == {Verdict.REPRODUCED, Verdict.REFUTED}
        yield ClaimChange(
            id=each.claim.id,
            before=then,
            after=now,
            unlike=unlike,
            sure=sure,
            worse=sure and (now is Verdict.REFUTED) == (each.claim.side is Side.RING),
        )


def _unlike(finding: Finding, before: JournalSet, after: JournalSet) -> Iterator[str]:
    for basis in finding.rests_on:
        then, now = (one.summary.arms(basis.experiment).get(basis.arm) for one in (before, after))
        if then and now and not same_question(before, then, after, now):
            yield basis.experiment
