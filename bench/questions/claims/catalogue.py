# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge every claim of every family together."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Final, NamedTuple

import bench.questions.claims.families as package
from bench.errors import UsageError
from bench.journal.schema import JournalContent
from bench.judge.statistics import holm
from bench.questions.claims.claim import Claim, Finding, Side, Verdict
from bench.questions.claims.evidence import Evidence, of_journals
from bench.questions.transports.summary import Summary, compare_journals

LEVEL: Final = 0.05  # chance of any wrong verdict of difference, over all comparative claims


class Untestable(NamedTuple):
    """Hold a published statement that bufbench cannot test."""

    id: str
    statement: str
    sources: str
    reason: str


UNTESTABLE: Final = (
    Untestable(
        "rb-edge-barrier",
        "edge-triggered epoll saves wake-ups, and loses some without a full barrier on the "
        "consumer's position",
        "kernel-patches/bpf#5363, aya-rs/aya#294",
        "the interleaving that strands a record is too rare for a run of minutes; --poll edge-bare "
        "tries it",
    ),
    Untestable(
        "rb-nmi-drops",
        "in NMI context reserve may fail although there is room",
        "DOC",
        "no BPF program here runs in NMI context: that takes a hardware counter, which most "
        "virtual machines lack",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Hold a claim and its finding."""

    claim: Claim
    finding: Finding

    @property
    def open(self) -> bool:
        """Return whether further blocks may settle it."""
        return self.finding.verdict is Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Hold all judgements on one machine."""

    evidence: Evidence
    judgements: tuple[Judgement, ...]


@cache
def families() -> dict[str, ModuleType]:
    """Return the modules of the families by name, sorted."""
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return {name: import_module(f"{package.__name__}.{name}") for name in names}


@cache
def claims() -> tuple[Claim, ...]:
    """Return all claims, those for the ring buffer first: whatever the families call CLAIMS."""
    found = [claim for family in families().values() for claim in family.CLAIMS]
    return tuple(sorted(found, key=lambda claim: list(Side).index(claim.side)))


def chosen(ids: Iterable[str]) -> tuple[Claim, ...]:
    """Return the claims of these ids, or all for none; UsageError for an unknown one."""
    known, wanted = {claim.id: claim for claim in claims()}, list(ids)
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no claim {name[:40]!r}", remedy="see docs/claims.md")
    return tuple(known[name] for name in wanted) or claims()


def judge(evidence: Evidence, only: Sequence[Claim] = ()) -> Judged:
    """Return the verdict on every claim, or on ``only`` some, corrected over the whole catalogue.

    The correction (Holm) is over all comparative claims that have a number, requested or not: a
    verdict must not depend on how many are requested.
    """
    found = {claim: claim.finding(evidence) for claim in claims()}
    p = {claim: each.p for claim, each in found.items() if claim.comparative and each.p is not None}
    for claim, adjusted in zip(p, holm(list(p.values())), strict=True):
        finding = found[claim]
        if finding.verdict in (Verdict.REPRODUCED, Verdict.REFUTED) and adjusted >= LEVEL:
            found[claim] = replace(
                finding,
                verdict=Verdict.INCONCLUSIVE,
                reason=f"{finding.reason}, but p is {adjusted:.2f} after correction for all "
                "comparisons",
                further_blocks=finding.further_blocks or 1,
            )
    return Judged(
        evidence=evidence,
        judgements=tuple(
            Judgement(claim=claim, finding=finding)
            for claim, finding in found.items()
            if claim in (only or found)
        ),
    )


def of_machines(content: JournalContent) -> list[tuple[Summary, Judged]]:
    """Return the comparison and the claims of each machine, in the order of the journals."""
    summaries = compare_journals(content)
    pairs = zip(summaries, of_journals(content, summaries), strict=True)
    return [(summary, judge(evidence)) for summary, evidence in pairs]
