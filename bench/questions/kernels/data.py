# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels as JSON's data; docs/record-format.md describes it.

Every list over kernels has the order of ``kernels``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.journal.schema import Fault
from bench.judge.metrics import Unit
from bench.linux.machine import Machine
from bench.questions.claims.document import MeasuredData
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.kernels import sentences
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.missed import Skipped
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.completeness import as_json
from bench.questions.transports.data import LeftOut
from bench.report.document import pick

FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One row."""

    label: str
    release: str
    status: str
    reason: str
    notes: tuple[str, ...]
    place: str
    machine: Machine | None
    trials: int
    plan: dict[str, Any] | None  # how much of it ran
    memory: tuple[dict[str, Any], ...]  # of each transport and budget, with what it is worth


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeData:
    """One fact over all kernels."""

    key: str
    title: str
    published: str
    states: tuple[str | None, ...]
    onsets: tuple[str, ...]  # labels


@dataclass(frozen=True, slots=True, kw_only=True)
class PointData:
    """One kernel's number."""

    kernel: str
    series: str
    value: float
    low: float
    high: float
    blocks: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveData:
    """One number over all kernels."""

    key: str
    what: str
    experiment: str
    budget: str
    unit: Unit
    times_within_one_guest: bool
    points: tuple[PointData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingData:
    """What one kernel says of a claim."""

    verdict: Verdict
    reason: str
    measured: MeasuredData | None
    blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData:
    """One claim over all kernels."""

    id: str
    together: FindingData | None
    findings: tuple[FindingData | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedData:
    """Exits that the kernel skipped the tracer at."""

    trials: int
    reaped: int
    missed: int
    skipped_told: int | None
    missed_share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedData:
    """The same of one kernel, when idle and beside bpf() calls."""

    kernel: str
    preemption: str
    peace: SkippedData | None
    noise: SkippedData | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderData:
    """Causal violations of one transport over all kernels."""

    transport: str
    kernels: int
    violating: tuple[str, ...]
    causal_pairs: int
    causal_violations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidTrial(LeftOut):
    """An invalid trial of one kernel."""

    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixData:
    """The whole report."""

    format: int
    title: str
    verdict: tuple[str, ...]
    repeated_trials: int
    kernels: tuple[Kernel, ...]
    changes: tuple[ChangeData, ...]
    curves: tuple[CurveData, ...]
    claims: tuple[ClaimData, ...]
    missed: tuple[MissedData, ...]
    order: tuple[OrderData, ...]
    invalid: tuple[InvalidTrial, ...]
    faults: tuple[Fault, ...]


def data_of(matrix: Matrix) -> MatrixData:
    """Return what JSON has of the matrix."""
    labels = tuple(row.label for row in matrix.rows)
    return MatrixData(
        format=FORMAT,
        title=sentences.title(matrix),
        verdict=sentences.verdict(matrix),
        repeated_trials=matrix.repeated,
        kernels=tuple(map(_kernel, matrix.rows)),
        changes=tuple(
            pick(
                ChangeData,
                change.fact,
                states=change.states,
                onsets=tuple(labels[at] for at in change.onsets),
            )
            for change in matrix.changes
        ),
        curves=tuple(
            pick(
                CurveData,
                curve,
                times_within_one_guest=curve.time,
                points=tuple(pick(PointData, p, kernel=labels[p.row]) for p in curve.points),
            )
            for curve in matrix.curves
        ),
        claims=tuple(
            ClaimData(
                id=each.claim.id,
                together=_finding(each.together),
                findings=tuple(map(_finding, each.findings)),
            )
            for each in matrix.claims
        ),
        missed=tuple(
            pick(
                MissedData,
                each,
                kernel=labels[each.row],
                peace=_skipped(each.peace),
                noise=_skipped(each.noise),
            )
            for each in matrix.missed
        ),
        order=tuple(
            pick(OrderData, each, causal_pairs=each.pairs, causal_violations=each.violations)
            for each in matrix.order
        ),
        invalid=tuple(pick(InvalidTrial, trial, kernel=label) for label, trial in matrix.invalid),
        faults=matrix.faults,
    )


def _kernel(row: KernelRow) -> Kernel:
    found = row.result
    return pick(
        Kernel,
        row,
        machine=found.machine if found is not None else None,
        trials=found.summary.trials if found is not None else 0,
        plan=as_json(found.summary.coverage) if found is not None else None,
        memory=tuple(
            {**asdict(judged.line), "worths": judged.worths}
            for judged in (found.memory if found is not None else ())
        ),
    )


def _finding(found: Finding | None) -> FindingData | None:
    if found is None:
        return None
    measured = pick(MeasuredData, found.measured) if found.measured is not None else None
    return pick(FindingData, found, measured=measured)


def _skipped(found: Skipped | None) -> SkippedData | None:
    if found is None:
        return None
    share = found.share
    return SkippedData(
        trials=found.trials,
        reaped=found.exits,
        missed=found.missed,
        skipped_told=found.told,
        missed_share=share.point,
        low=share.low,
        high=share.high,
    )
