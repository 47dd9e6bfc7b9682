# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels as JSON's data; docs/record-format.md describes it.

Every list over kernels has the order of ``kernels``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.journal.schema import Fault
from bench.linux.machine import Machine
from bench.questions.claims.document import MeasuredData
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.kernels import sentences
from bench.questions.kernels.changes import ChangeData
from bench.questions.kernels.curves import Curve
from bench.questions.kernels.matrix import InvalidTrial, Matrix, Missed, Order
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.completeness import as_json
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
    memory: tuple[dict[str, Any], ...]  # of each transport and budget, and how right


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingData:
    """One kernel's verdict on a claim."""

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
class MatrixData:
    """The whole report."""

    format: int
    title: str
    verdict: tuple[str, ...]
    repeated_trials: int
    kernels: tuple[Kernel, ...]
    changes: tuple[ChangeData, ...]
    curves: tuple[Curve, ...]
    claims: tuple[ClaimData, ...]
    missed: tuple[Missed, ...]
    order: tuple[Order, ...]
    invalid: tuple[InvalidTrial, ...]
    faults: tuple[Fault, ...]


def data_of(matrix: Matrix) -> MatrixData:
    """Return what JSON has of the matrix."""
    return pick(
        MatrixData,
        matrix,
        format=FORMAT,
        title=sentences.title(matrix),
        verdict=sentences.verdict(matrix),
        repeated_trials=matrix.repeated,
        kernels=tuple(map(_kernel, matrix.rows)),
        claims=tuple(
            ClaimData(
                id=each.claim.id,
                together=_finding(each.together),
                findings=tuple(map(_finding, each.findings)),
            )
            for each in matrix.claims
        ),
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
