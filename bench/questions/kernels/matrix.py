# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The matrix: everything that a report over kernels shows, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.journal.schema import Fault
from bench.questions.claims.catalogue import claims
from bench.questions.claims.claim import Claim
from bench.questions.claims.families.order import by_chains_alone
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.kernels.changes import Change, changes
from bench.questions.kernels.curve import Curve
from bench.questions.kernels.curves import curves
from bench.questions.kernels.folders import Entry
from bench.questions.kernels.missed import Missed, missed
from bench.questions.kernels.rows import KernelRow, Result, rows
from bench.questions.transports.profiles import TRANSPORTS
from bench.trial.result import TrialResult

OVER_KERNELS = "rb-since-5.8"
"""The claim that no kernel decides alone: its verdict is one, over all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """One claim over all kernels."""

    claim: Claim
    findings: tuple[Finding | None, ...]  # one a kernel; None where it has no result
    together: Finding | None = None  # of the claim that is about all kernels

    @property
    def differs(self) -> bool:
        """Whether kernels contradict each other."""
        said = {found.verdict for found in self.findings if found is not None}
        return {Verdict.REPRODUCED, Verdict.REFUTED} <= said


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Causal violations of one transport, over all kernels and experiments."""

    transport: str
    kernels: int  # that have causal pairs
    violating: tuple[str, ...]  # labels of kernels that have violations
    pairs: int
    violations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All kernels."""

    rows: tuple[KernelRow, ...]
    changes: tuple[Change, ...]
    curves: tuple[Curve, ...]
    claims: tuple[ClaimRow, ...]
    missed: tuple[Missed, ...]
    order: tuple[Order, ...]
    invalid: tuple[tuple[str, TrialResult], ...]  # label of the kernel, and a trial of it
    trials: int
    faults: tuple[Fault, ...]
    repeated: int = 0  # trials that were given more than once; each counts once

    @property
    def measured(self) -> tuple[KernelRow, ...]:
        """Rows with a result."""
        return tuple(row for row in self.rows if row.result is not None)

    @property
    def emulated(self) -> bool:
        """Whether any kernel ran on an emulated CPU."""
        return any(row.emulated for row in self.rows)


def compare(entries: Sequence[Entry]) -> Matrix:
    """Judge every kernel, and lay them beside each other."""
    found = rows(entries)
    return Matrix(
        rows=found,
        changes=changes(found),
        curves=curves(found),
        claims=_claims(found),
        missed=missed(found),
        order=tuple(_order(found, transport) for transport in TRANSPORTS),
        invalid=tuple(
            (row.label, trial)
            for row in found
            if row.result is not None
            for trial in row.result.summary.invalid
        ),
        trials=sum(row.result.summary.trials for row in found if row.result is not None),
        faults=tuple(fault for entry in entries for fault in entry.content.faults),
        repeated=len(frozenset().union(*(entry.content.repeated for entry in entries))),
    )


def _claims(found: Sequence[KernelRow]) -> tuple[ClaimRow, ...]:
    """Return the claims that at least one kernel's trials speak to."""
    judged = [_findings(row.result) if row.result is not None else {} for row in found]
    made = []
    for claim in claims():
        findings = tuple(each.get(claim.id) for each in judged)
        known = [each for each in findings if each is not None]
        if claim.id == OVER_KERNELS:
            together = known[0] if known else None
            made.append(ClaimRow(claim=claim, findings=(None,) * len(found), together=together))
        elif any(each.verdict is not Verdict.NOT_MEASURED for each in known):
            made.append(ClaimRow(claim=claim, findings=findings))
    return tuple(made)


def _findings(result: Result) -> dict[str, Finding]:
    """Return findings by claim; on order by chains alone, where a guest ran no more."""
    found = {each.claim.id: each.finding for each in result.claims.judgements}
    for name, finding in found.items():
        if finding.verdict is Verdict.NOT_MEASURED:
            found[name] = by_chains_alone(name, result.evidence) or finding
    return found


def _order(found: Sequence[KernelRow], transport: str) -> Order:
    pairs = violations = kernels = 0
    violating = []
    for row in found:
        if row.result is None:
            continue
        orders = [
            trial.ordering
            for samples in row.result.evidence.experiments.values()
            for arm in samples.arms.values()
            for trial in arm.trials
            if trial.config.transport == transport and trial.ordering is not None
        ]
        here = sum(order.causal_pairs for order in orders)
        wrong = sum(order.causal_violations for order in orders)
        kernels += here > 0
        pairs += here
        violations += wrong
        if wrong:
            violating.append(row.label)
    return Order(
        transport=transport,
        kernels=kernels,
        violating=tuple(violating),
        pairs=pairs,
        violations=violations,
    )
