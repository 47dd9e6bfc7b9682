# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compute everything that a report over kernels shows, once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.journal.schema import Fault
from bench.judge.metrics import Unit
from bench.judge.statistics import counted_share
from bench.judge.sums import Torn
from bench.questions.claims.catalogue import claims
from bench.questions.claims.claim import Claim, Finding, Verdict
from bench.questions.claims.families.order import by_chains_alone
from bench.questions.kernels.changes import Change, changes
from bench.questions.kernels.curves import Curve, Point, curves
from bench.questions.kernels.folders import Entry
from bench.questions.kernels.rows import KernelRow, Result, rows
from bench.questions.transports.profiles import TRANSPORTS
from bench.questions.transports.summary import LeftOut
from bench.report.document import pick
from bench.trial.result import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """Hold one claim over all kernels."""

    claim: Claim
    findings: tuple[Finding | None, ...]  # one per kernel; None if it has no result
    together: Finding | None = None  # of a claim that is about all kernels

    @property
    def verdicts(self) -> set[Verdict]:
        """Return the verdicts of single kernels."""
        return {found.verdict for found in self.findings if found is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Count exits that the kernel's recursion guard hid from the tracer, over several trials."""

    trials: int
    reaped: int  # by the generator
    missed: int
    skipped_told: int | None  # by fdinfo's recursion_misses; None: this kernel has no such line
    missed_share: float  # mean over trials
    low: float
    high: float  # if nothing was missed, the bound of the count


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Hold one kernel's skipped exits, when idle and beside bpf() calls; None: no such trials."""

    kernel: str
    preemption: str
    peace: Skipped | None
    noise: Skipped | None

    @property
    def known(self) -> Mapping[str, Skipped]:
        """Return the counts that are known, by when exits were skipped."""
        both = {"idle": self.peace, "beside bpf() calls": self.noise}
        return {when: each for when, each in both.items() if each is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Count causal violations of one transport, over all kernels and experiments."""

    transport: str
    kernels: int  # with causal pairs
    violating: tuple[str, ...]  # labels of kernels that have violations
    causal_pairs: int
    causal_violations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TornOn:
    """Hold one kernel's arms whose records have checksums."""

    kernel: str
    preemption: str
    arms: tuple[Torn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidTrial(LeftOut):
    """Name an invalid trial of one kernel."""

    kernel: str


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Hold what is known of all kernels."""

    rows: tuple[KernelRow, ...]
    changes: tuple[Change, ...]
    curves: tuple[Curve, ...]
    claims: tuple[ClaimRow, ...]
    missed: tuple[Missed, ...]
    order: tuple[Order, ...]
    torn: tuple[TornOn, ...]
    invalid: tuple[InvalidTrial, ...]
    faults: tuple[Fault, ...]
    repeated: int = 0  # trials that were given more than once; each counts once

    @cached_property
    def measured(self) -> tuple[tuple[KernelRow, Result], ...]:
        """Return the rows that have a result."""
        return tuple((row, row.result) for row in self.rows if row.result is not None)

    @property
    def trials(self) -> int:
        """Return how many trials all kernels ran."""
        return sum(result.summary.trials for _, result in self.measured)

    @property
    def emulated(self) -> bool:
        """Return whether any kernel ran on an emulated CPU."""
        return any(row.emulated for row in self.rows)

    @property
    def skipped(self) -> Curve:
        """Return the share of exits at which each kernel skipped the tracer."""
        return Curve(
            key="missed",
            what="exits that the kernel skipped",
            experiment="",
            budget="",
            unit=Unit.SHARE,
            points=tuple(
                pick(
                    Point,
                    found,
                    kernel=each.kernel,
                    series=series,
                    value=found.missed_share,
                    blocks=found.trials,
                    note=f"{found.missed:,} of {found.reaped:,} exits",
                )
                for each in self.missed
                for series, found in each.known.items()
            ),
        )

    def steps(self, label: str) -> tuple[tuple[Change, str], ...]:
        """Return every change at this kernel, with the states before and after."""
        return tuple((each, each.steps[label]) for each in self.changes if label in each.steps)


def compare(entries: Sequence[Entry]) -> Matrix:
    """Judge every kernel and put the results side by side."""
    found = rows(entries)
    results = {row.label: row.result for row in found if row.result is not None}
    return Matrix(
        rows=found,
        changes=tuple(changes(found)),
        curves=tuple(curves(results)),
        claims=tuple(_claims(found)),
        missed=tuple(
            Missed(
                kernel=kernel,
                preemption=result.machine.preemption,
                peace=_skipped(each for each in result.trials() if not each.config.map_callers),
                noise=_skipped(each for each in result.trials() if each.config.map_callers),
            )
            for kernel, result in results.items()
        ),
        order=tuple(_order(results, transport) for transport in TRANSPORTS),
        torn=tuple(
            TornOn(kernel=kernel, preemption=result.machine.preemption, arms=result.summary.torn)
            for kernel, result in results.items()
            if result.summary.torn
        ),
        invalid=tuple(
            pick(InvalidTrial, trial, kernel=kernel)
            for kernel, result in results.items()
            for trial in result.summary.invalid
        ),
        faults=tuple(fault for entry in entries for fault in entry.content.faults),
        repeated=len(frozenset().union(*(entry.content.repeated for entry in entries))),
    )


def _claims(found: Sequence[KernelRow]) -> Iterator[ClaimRow]:
    """Yield the claims that at least one kernel's trials can judge."""
    judged = [_findings(row.result) if row.result is not None else {} for row in found]
    for claim in claims():
        findings = tuple(each.get(claim.id) for each in judged)
        known = [each for each in findings if each is not None]
        if claim.over_kernels:
            together = known[0] if known else None
            yield ClaimRow(claim=claim, findings=(None,) * len(found), together=together)
        elif any(each.verdict is not Verdict.NOT_MEASURED for each in known):
            yield ClaimRow(claim=claim, findings=findings)


def _findings(result: Result) -> dict[str, Finding]:
    """Return findings by claim; those on order use chains if a guest ran nothing else."""
    found = {each.claim.id: each.finding for each in result.claims.judgements}
    for name, finding in found.items():
        if finding.verdict is Verdict.NOT_MEASURED:
            found[name] = by_chains_alone(name, result.claims.evidence) or finding
    return found


def _skipped(trials: Iterable[TrialResult]) -> Skipped | None:
    books = [(t.ledger, t.skipped_told) for t in trials if t.ledger is not None]
    each = [(book.missed, book.reaped, skips) for book, skips in books if book.reaped]
    if not each:
        return None
    missed, reaped = sum(part for part, *_ in each), sum(whole for _, whole, _ in each)
    reported = [skips for *_, skips in each if skips is not None]
    share = counted_share([part / whole for part, whole, _ in each], missed, reaped)
    return pick(
        Skipped,
        share,
        trials=len(each),
        reaped=reaped,
        missed=missed,
        skipped_told=sum(reported) if len(reported) == len(each) else None,
        missed_share=share.point,
    )


def _order(results: Mapping[str, Result], transport: str) -> Order:
    counts = [
        (kernel, trial.ordering)
        for kernel, result in results.items()
        for trial in result.trials()
        if trial.config.transport == transport and trial.ordering is not None
    ]
    return Order(
        transport=transport,
        kernels=len({kernel for kernel, order in counts if order.causal_pairs}),
        violating=tuple(dict.fromkeys(name for name, order in counts if order.causal_violations)),
        causal_pairs=sum(order.causal_pairs for _, order in counts),
        causal_violations=sum(order.causal_violations for _, order in counts),
    )
