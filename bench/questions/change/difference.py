# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""All that differs between two sets of journals beyond the noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.questions.change.counts import BudgetChange, CountChange, budget_changes, count_changes
from bench.questions.change.journal_set import JournalSet, same_question
from bench.questions.change.numbers import Changes, changes
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.finding import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimChange:
    """A claim whose verdict is another one."""

    claim: Claim
    before: Verdict
    after: Verdict
    unlike: tuple[str, ...] = ()  # experiments that it rests on, which A and B ran differently

    @property
    def sure(self) -> bool:
        """Whether both verdicts stand; one that became open has merely fewer trials to rest on."""
        return not self.unlike and {self.before, self.after} == {
            Verdict.REPRODUCED,
            Verdict.REFUTED,
        }

    @property
    def worse(self) -> bool:
        """Whether it speaks against the ring buffer now."""
        return self.sure and (self.after is Verdict.REFUTED) == (self.claim.side is Side.RING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed from one set to the other."""

    numbers: Changes  # as one transport against another
    counts: tuple[CountChange, ...]  # of one transport
    counted: int  # counts that were compared
    budgets: tuple[BudgetChange, ...]
    claims: tuple[ClaimChange, ...]

    @property
    def changed(self) -> int:
        """How much changed beyond the noise."""
        return len(self._all())

    @property
    def compared(self) -> int:
        """How many numbers and counts both sets have, with enough blocks; budgets rest on these."""
        return self.numbers.compared + self.counted

    @property
    def regressions(self) -> int:
        """What of it is for the worse."""
        return sum(self._all())

    def _all(self) -> list[bool]:
        """Return, of everything beyond the noise, whether it is for the worse."""
        return [
            *(each.worse for each in self.numbers.changes),
            *(each.worse for each in self.counts),
            *(each.worse for each in self.budgets if each.sure),
            *(each.worse for each in self.claims if each.sure),
        ]


def difference(before: JournalSet, after: JournalSet) -> Difference:
    """Compare all that both sets have."""
    counts, counted = count_changes(before, after)
    return Difference(
        numbers=changes(before, after),
        counts=counts,
        counted=counted,
        budgets=budget_changes(before, after),
        claims=_claims(before, after),
    )


def _unlike(finding: Finding, before: JournalSet, after: JournalSet) -> Iterator[str]:
    for basis in finding.rests_on:
        ours, theirs = (
            one.experiments[basis.experiment].arms.get(basis.arm)
            if basis.experiment in one.experiments
            else None
            for one in (before, after)
        )
        if ours and theirs and not same_question(before, ours, after, theirs):
            yield basis.experiment


def _claims(before: JournalSet, after: JournalSet) -> tuple[ClaimChange, ...]:
    now = {each.claim.id: each.finding.verdict for each in after.judged.judgements}
    return tuple(
        ClaimChange(
            claim=each.claim,
            before=each.finding.verdict,
            after=now[each.claim.id],
            unlike=tuple(dict.fromkeys(_unlike(each.finding, before, after))),
        )
        for each in before.judged.judgements
        if each.finding.verdict is not now[each.claim.id]
        and Verdict.NOT_MEASURED not in (each.finding.verdict, now[each.claim.id])
    )
