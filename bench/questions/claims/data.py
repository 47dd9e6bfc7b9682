# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the JSON of claims, which docs/record-format.md documents."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import starmap
from typing import Final

from bench.linux.machine import Machine
from bench.questions.claims.catalogue import Judged, Judgement
from bench.questions.claims.claim import MeasuredData, Statement, Verdict
from bench.questions.transports.coverage import PlanData
from bench.report.document import Document, pick

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class TrialData:
    """A trial, by its run and block."""

    run: int
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BasisData:
    """Trials of one arm that a verdict rests on."""

    experiment: str
    arm: str
    trials: tuple[TrialData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData(Statement):
    """A claim and its verdict."""

    verdict: Verdict
    reason: str
    measured: MeasuredData | None
    blocks: int
    p: float | None
    further_blocks: int | None
    details: tuple[str, ...]
    rests_on: tuple[BasisData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedData:
    """The verdicts on one machine."""

    machine: Machine | None
    plan: PlanData | None  # how much of it ran
    claims: tuple[ClaimData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsData:
    """The JSON output: every machine."""

    format: int
    machines: tuple[JudgedData, ...]


def data_of(*documents: Document) -> ClaimsData:
    """Return the JSON of several machines; format is raised when a key changes its meaning."""
    return ClaimsData(format=FORMAT, machines=tuple(each.data for each in documents))


def judged_data(judged: Judged) -> JudgedData:
    """Return the JSON output of one machine."""
    return pick(
        JudgedData,
        judged,
        plan=judged.coverage,
        claims=tuple(map(_data, judged.judgements)),
    )


def _data(judgement: Judgement) -> ClaimData:
    claim, finding = judgement.claim, judgement.finding
    return pick(
        ClaimData,
        finding,
        **{each.name: getattr(claim, each.name) for each in fields(Statement)},
        measured=None if finding.measured is None else pick(MeasuredData, finding.measured),
        further_blocks=finding.further_blocks if judgement.open else None,
        rests_on=tuple(
            pick(BasisData, basis, trials=tuple(starmap(TrialData, basis.trials)))
            for basis in finding.rests_on
        ),
    )
