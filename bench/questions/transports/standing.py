# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge standings: which side all comparisons together favour, by question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from bench.judge.comparison import Comparison, Outcome
from bench.judge.statistics import holm
from bench.plan.config import Poll
from bench.tracer.transports import ranked

LEAST_PAIRS: Final = 1_000
"""Causal pairs that every trial must have before a comparison counts for order."""

_LEVEL: Final = 0.05


class Question(StrEnum):
    """List the questions, in the order of reports."""

    key: str  # of the number that answers it
    heading: str

    def __new__(cls, name: str, key: str = "", heading: str = "") -> Self:
        """Return the question of this name."""
        question = str.__new__(cls, name)
        question._value_ = name
        question.key, question.heading = key, heading
        return question

    DROPS = "drops", "own_dropped_share", "Drops"
    ORDER = "order", "causal_violation_share", "Causal violations"
    MEMORY = "memory", "physical_bytes", "Memory"
    LATENCY = "latency", "latency_p50_ns", "Median latency"
    CPU = "cpu", "consumer_cpu_s_per_million", "Consumer CPU"
    WRITE = "write", "write_ns", "Time of a write"


_Comparisons = tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Name the transport that all comparisons support, or those with some ways to wait."""

    winner: str
    decided: _Comparisons  # for it, among those that support it
    polls: tuple[Poll, ...] = ()  # for which it holds; () for all comparisons together


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Answer one question over all comparisons of one transport with the perf buffers.

    A comparison is decided for a side if its interval lies beyond the margin and its p value,
    corrected by Holm over this question's comparisons, is below 5 %.
    """

    question: Question
    left: str  # transports
    right: str
    for_left: _Comparisons
    for_right: _Comparisons
    equal: _Comparisons  # every block gave the same on both sides
    equivalent: _Comparisons  # the sides differ by less than 2 %
    open: _Comparisons  # the interval reaches into the margin, or p is too large
    too_few: _Comparisons  # fewer than 8 blocks

    @property
    def comparisons(self) -> _Comparisons:
        """Return the comparisons that count for the question."""
        return tuple(each for group in GROUPS for each in getattr(self, group))

    @property
    def considered(self) -> int:
        """Return how many comparisons count for the question."""
        return len(self.comparisons)

    @property
    def wins(self) -> tuple[tuple[str, _Comparisons], ...]:
        """Return each side for which some comparison was decided, and those comparisons."""
        sides = ((self.left, self.for_left), (self.right, self.for_right))
        return tuple(side for side in sides if side[1])

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Return what a headline may say: one direction, or those that hold for some ways to wait.

        A set of comparisons supports a direction if at least one is decided for it, none against
        it, and at least half of those in which the sides differed at all. If not all comparisons
        support one, those with one way of waiting may. () if no direction is supported.
        """
        if whole := self._carried():
            return (whole,)
        polls = sorted({each.poll for _, won in self.wins for each in won if each.poll is not None})
        found = [each for each in map(self._carried, polls) if each is not None]
        return tuple(
            Direction(
                winner=side,
                decided=tuple(each for direction in of_side for each in direction.decided),
                polls=tuple(poll for direction in of_side for poll in direction.polls),
            )
            for side in (self.left, self.right)
            if (of_side := [each for each in found if each.winner == side])
        )

    def _carried(self, poll: Poll | None = None) -> Direction | None:
        """Return the direction of all comparisons, or of those with one way to wait."""

        def among(comparisons: _Comparisons) -> _Comparisons:
            return tuple(each for each in comparisons if poll in (None, each.poll))

        others = (*self.equivalent, *self.open, *self.too_few)  # they differed, none was better
        match [(side, found) for side, won in self.wins if (found := among(won))]:
            case [(side, decided)] if len(decided) >= len(among(others)):
                polls = () if poll is None else (poll,)
                return Direction(winner=side, decided=decided, polls=polls)
        return None


def saving(question: Question, comparison: Comparison) -> float:
    """Return how much the better side saves in the number of ``question``; 0 if unknown."""
    row = comparison.row(question.key)
    return 0.0 if row is None else row.saving


def lost(comparison: Comparison) -> float:
    """Return the sum of the shares that both sides lost."""
    sides = (comparison.left, comparison.right)
    return sum(side.own_dropped / side.own_attempted for side in sides if side.own_attempted)


GROUPS: Final = ("for_left", "for_right", "equal", "equivalent", "open", "too_few")
"""Fields of a standing: every comparison that counts for its question is in one of them."""

_UNDECIDED: Final = {
    Outcome.TOO_FEW: "too_few",
    Outcome.EQUAL: "equal",
    Outcome.EQUIVALENT: "equivalent",
}


def bears(question: Question, comparison: Comparison) -> bool:
    """Return whether the comparison counts for the question."""
    sides = (comparison.left, comparison.right)
    # A transport that drops looks faster than it is, and a refused write is another call.
    lossless = not any(side.own_dropped for side in sides)
    match question:
        case Question.DROPS | Question.MEMORY:  # each arm has the storm and the machine to itself
            return not comparison.duet
        case Question.ORDER:
            return min(side.fewest_pairs for side in sides) >= LEAST_PAIRS
        case Question.LATENCY:  # records that are read only after the storm have waited for its end
            return lossless and comparison.poll is not Poll.STOPPED
    return lossless


def _stand(question: Question, comparisons: Sequence[Comparison]) -> Standing:
    found = [
        (each, row, row.estimate.p)
        for each in comparisons
        if bears(question, each)
        and (row := each.row(question.key)) is not None
        and row.estimate is not None
    ]
    # Duets resolve 2 %, blocks a third: if there are duets, only they count.
    found = [each for each in found if each[0].duet] or found
    groups: dict[str, _Comparisons] = dict.fromkeys(GROUPS, ())
    for (comparison, row, _), p in zip(found, holm([p for *_, p in found]), strict=True):
        decided = {-1: "for_left", 1: "for_right"} if p < _LEVEL else {}
        groups[_UNDECIDED.get(row.outcome) or decided.get(row.better, "open")] += (comparison,)
    first = comparisons[0]
    left, right = first.left.transport, first.right.transport
    return Standing(question=question, left=left, right=right, **groups)


def standings(comparisons: Sequence[Comparison]) -> tuple[Standing, ...]:
    """Judge every question for every transport that was compared with perf buffers.

    Transports are in their order in tables; the decision is about the first of them.
    """
    by_transport: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_transport.setdefault(comparison.left.transport, []).append(comparison)
    return tuple(
        _stand(question, by_transport[transport])
        for transport in ranked(by_transport)
        for question in Question
        if question is not Question.WRITE
        or any(each.row(question.key) for each in by_transport[transport])
    )
