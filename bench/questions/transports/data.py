# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the JSON data of a comparison, from which docs/schemas/report.json is generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from bench.journal.schema import Fault
from bench.judge.comparison import Comparison, Outcome, Side, Unequal
from bench.judge.floor import Floor
from bench.judge.ladder import Rung
from bench.judge.load import reduced
from bench.judge.metrics import Group, Unit
from bench.judge.statistics import Estimate
from bench.judge.sums import OrderRestored, Torn
from bench.linux.machine import Machine
from bench.plan.config import Poll
from bench.questions.transports.consumers import sentence as of_consumers
from bench.questions.transports.coverage import PlanData
from bench.questions.transports.decision import verdict
from bench.questions.transports.finding import sentence
from bench.questions.transports.standing import GROUPS, Question, Standing
from bench.questions.transports.summary import LeftOut, Summary, Tally
from bench.report.document import pick

FORMAT: Final = 2
"""Raised when a key changes its meaning: docs/record-format.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Name a comparison."""

    experiment: str
    budget: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionData:
    """Name the side that all comparisons support, or those with these ways to wait (``polls``)."""

    winner: str
    polls: tuple[Poll, ...]
    decided: tuple[Where, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingData:
    """Hold one question over all comparisons."""

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
    """Hold one number of both sides."""

    group: Group
    unit: Unit
    left: float | None
    right: float | None
    estimate: Estimate | None
    margin: float
    noise_floor: Floor | None
    outcome: Outcome
    resolvable: float | None
    better: Literal["left", "right"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonData:
    """Hold two transports at one budget of one experiment."""

    experiment: str
    budget: str
    sentence: str
    left: Side
    right: Side
    numbers: dict[str, NumberData]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderData:
    """Hold budgets of one transport, and the least that lost nothing."""

    experiment: str
    transport: str
    rungs: tuple[Rung, ...]
    minimum_bytes: int | None
    recommended_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryData:
    """Hold the results of one machine."""

    verdict: tuple[str, ...]
    machine: Machine | None
    plan: PlanData | None
    profiles: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: tuple[Tally, ...]
    invalid: tuple[LeftOut, ...]
    reduced: tuple[LeftOut, ...]
    unequal: tuple[Unequal, ...]
    standings: tuple[StandingData, ...]
    comparisons: tuple[ComparisonData, ...]
    consumers: tuple[ComparisonData, ...]  # several, left, against one, on the same buffers
    ladders: tuple[LadderData, ...]
    noise_floors: tuple[Floor, ...]
    torn: tuple[Torn, ...]
    restored: tuple[OrderRestored, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Hold the JSON output: every machine."""

    format: int
    summaries: tuple[SummaryData, ...]


def data_of(summary: Summary) -> SummaryData:
    """Return the JSON data of one machine."""
    return pick(
        SummaryData,
        summary,
        verdict=verdict(summary),
        plan=summary.coverage,
        trials=summary.tallies,
        invalid=tuple(pick(LeftOut, each) for each in summary.invalid),
        reduced=tuple(pick(LeftOut, each, reasons=reduced(each)) for each in summary.reduced),
        standings=tuple(map(_standing, summary.standings)),
        comparisons=tuple(
            _comparison(each, sentence(each, in_instructions=summary.counted))
            for each in summary.comparisons
        ),
        consumers=tuple(
            _comparison(each.comparison, of_consumers(each)) for each in summary.consumers
        ),
        ladders=tuple(pick(LadderData, each) for each in summary.ladders),
        noise_floors=summary.floors,
    )


def _standing(standing: Standing) -> StandingData:
    directions = (
        pick(DirectionData, each, decided=_wheres(each.decided)) for each in standing.directions
    )
    groups = {name: _wheres(getattr(standing, name)) for name in GROUPS}
    return pick(StandingData, standing, directions=tuple(directions), **groups)


def _wheres(comparisons: tuple[Comparison, ...]) -> tuple[Where, ...]:
    return tuple(pick(Where, each) for each in comparisons)


def _comparison(comparison: Comparison, said: str) -> ComparisonData:
    numbers = {
        row.key: pick(
            NumberData,
            row,
            noise_floor=row.floor,
            better={-1: "left", 0: None, 1: "right"}[row.better],
        )
        for row in comparison.rows
    }
    return pick(ComparisonData, comparison, sentence=said, numbers=numbers)
