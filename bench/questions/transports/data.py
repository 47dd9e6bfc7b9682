# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What JSON has of a run's summary: docs/record-format.md describes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from bench.journal.schema import Fault
from bench.judge.comparison import Comparison, Outcome, Row, Side, Unequal
from bench.judge.floor import Floor
from bench.judge.ladder import Rung
from bench.judge.load import reduced
from bench.judge.metrics import Group, Unit
from bench.judge.statistics import Estimate
from bench.linux.machine import Machine
from bench.plan.config import Poll
from bench.questions.transports.completeness import as_json
from bench.questions.transports.sentence import sentence, verdict
from bench.questions.transports.standing import Question, Standing
from bench.questions.transports.summary import Summary, Tally
from bench.report.document import Document, pick

FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A trial that enters no number, and why."""

    experiment: str
    arm: str
    block: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """One comparison's name."""

    experiment: str
    budget: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionData:
    """A side that the comparisons as a whole speak for, and for which ways of waiting."""

    winner: str
    polls: tuple[Poll, ...]
    decided: tuple[Where, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingData:
    """One question over all comparisons."""

    question: Question
    left: str
    right: str
    for_left: tuple[Where, ...]
    for_right: tuple[Where, ...]
    equal: tuple[Where, ...]
    equivalent: tuple[Where, ...]
    open: tuple[Where, ...]
    too_few: tuple[Where, ...]
    directions: tuple[DirectionData, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberData:
    """One number of both sides."""

    group: Group
    unit: Unit
    left: float | None
    right: float | None
    estimate: Estimate | None
    margin: float
    noise_floor: Floor | None
    outcome: Outcome
    resolvable: float | None  # the smallest difference that could have been seen
    better: str | None  # left or right


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonData:
    """One experiment at one budget."""

    experiment: str
    budget: str
    sentence: str
    left: Side
    right: Side
    numbers: dict[str, NumberData]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderData:
    """The loss probability by budget."""

    experiment: str
    transport: str
    rungs: tuple[Rung, ...]
    minimum_bytes: int | None
    recommended_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryData:
    """One machine and kernel."""

    verdict: tuple[str, ...]
    machine: Machine | None
    plan: dict[str, Any] | None  # how much of it ran
    profiles: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: tuple[Tally, ...]
    invalid: tuple[LeftOut, ...]
    reduced: tuple[LeftOut, ...]
    unequal: tuple[Unequal, ...]
    standings: tuple[StandingData, ...]
    comparisons: tuple[ComparisonData, ...]
    ladders: tuple[LadderData, ...]
    noise_floors: tuple[Floor, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """The whole; ``format`` goes up when a key changes its meaning."""

    format: int
    summaries: tuple[SummaryData, ...]


def report_of(*documents: Document) -> ReportData:
    """Return what JSON has of several machines."""
    return ReportData(format=FORMAT, summaries=tuple(each.data for each in documents))


def data_of(summary: Summary) -> SummaryData:
    """Return what JSON has of one machine."""
    return pick(
        SummaryData,
        summary,
        verdict=verdict(summary),
        plan=as_json(summary.coverage),
        trials=summary.tallies,
        noise_floors=summary.floors,
        invalid=tuple(pick(LeftOut, trial) for trial in summary.invalid),
        reduced=tuple(pick(LeftOut, each, reasons=reduced(each)) for each in summary.reduced),
        standings=tuple(map(_standing, summary.standings)),
        comparisons=tuple(map(_comparison, summary.comparisons)),
        ladders=tuple(pick(LadderData, ladder) for ladder in summary.ladders),
    )


def _standing(standing: Standing) -> StandingData:
    groups = ("for_left", "for_right", "equal", "equivalent", "open", "too_few")
    return pick(
        StandingData,
        standing,
        **{name: _wheres(getattr(standing, name)) for name in groups},
        directions=tuple(
            pick(DirectionData, each, decided=_wheres(each.decided)) for each in standing.directions
        ),
    )


def _wheres(comparisons: Iterable[Comparison]) -> tuple[Where, ...]:
    return tuple(pick(Where, each) for each in comparisons)


def _comparison(comparison: Comparison) -> ComparisonData:
    return pick(
        ComparisonData,
        comparison,
        sentence=sentence(comparison),
        numbers={row.key: _number(row) for row in comparison.rows},
    )


def _number(row: Row) -> NumberData:
    sides = {-1: "left", 0: None, 1: "right"}
    return pick(
        NumberData,
        row,
        noise_floor=row.floor,
        resolvable=row.estimate and row.estimate.resolvable,
        better=sides[row.better],
    )
