# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The catalogue: every claim of every module here, judged together."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Final

import bench.questions.claims.families as package
from bench.errors import UsageError
from bench.judge.coverage import Coverage
from bench.judge.statistics import holm
from bench.linux.machine import Machine
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.evidence import Evidence
from bench.questions.claims.finding import Finding, Verdict

LEVEL: Final = 0.05
"""Chance of any verdict of difference where there is none, over all comparative claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A claim and what was found."""

    claim: Claim
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """All judgements on one machine."""

    machine: Machine | None
    judgements: tuple[Judgement, ...]
    coverage: Coverage | None = None  # None: of trials that need not stand in a journal
    reduced: int = 0  # trials left out, since their storms were not the ones asked for

    @property
    def open(self) -> tuple[Judgement, ...]:
        """Those that further blocks may settle."""
        return tuple(
            each for each in self.judgements if each.finding.verdict is Verdict.INCONCLUSIVE
        )


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, those for the ring buffer first: whatever the modules here call CLAIMS."""
    found: list[Claim] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        loaded = import_module(f"{package.__name__}.{module}")
        found += getattr(loaded, "CLAIMS", ())
    return tuple(sorted(found, key=lambda claim: list(Side).index(claim.side)))


def chosen(ids: Iterable[str]) -> tuple[Claim, ...]:
    """The claims named; UsageError for an id that there is not. All for none named."""
    known = {claim.id: claim for claim in claims()}
    wanted = list(ids)
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no claim {name[:40]!r}", remedy="see docs/claims.md")
    return tuple(known[name] for name in wanted) if wanted else claims()


def judge(evidence: Evidence, only: Sequence[Claim] = ()) -> Judged:
    """The verdict on every claim, or on those of ``only``, corrected over the whole catalogue.

    The correction (Holm) is over all comparative claims that have a number, also those that are
    not asked for: a verdict must not hang on how many one looks at.
    """
    judged = [Judgement(claim=claim, finding=claim.finding(evidence)) for claim in claims()]
    compared = [
        index
        for index, each in enumerate(judged)
        if each.claim.comparative and each.finding.p is not None
    ]
    adjusted = holm([judged[index].finding.p or 0.0 for index in compared])
    for index, p in zip(compared, adjusted, strict=True):
        judged[index] = replace(judged[index], finding=_corrected(judged[index].finding, p))
    wanted = {claim.id for claim in only or claims()}
    return Judged(
        machine=evidence.machine,
        judgements=tuple(each for each in judged if each.claim.id in wanted),
        coverage=evidence.coverage,
        reduced=sum(len(samples.reduced) for samples in evidence.experiments.values()),
    )


def _corrected(finding: Finding, p: float) -> Finding:
    if finding.verdict not in (Verdict.REPRODUCED, Verdict.REFUTED) or p < LEVEL:
        return finding
    return replace(
        finding,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{finding.reason}, but p is {p:.2f} after correction for all comparisons",
        further_blocks=finding.further_blocks or 1,
    )
