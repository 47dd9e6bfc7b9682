# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Standings: over all comparisons, which side drops fewer, keeps order, is leaner, is sooner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bench.judge.comparison import Comparison, Outcome, Row
from bench.judge.statistics import holm
from bench.plan.config import Poll

LEAST_PAIRS: Final = 1_000
"""Causal pairs that every trial has to have before a comparison speaks for order."""

_LEVEL: Final = 0.05


class Question(StrEnum):
    """What is asked, in the order of reports."""

    DROPS = "drops"
    ORDER = "order"
    MEMORY = "memory"
    LATENCY = "latency"
    CPU = "cpu"
    WRITE = "write"


_Comparisons = tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """A transport that the comparisons as a whole, or those with some ways to wait, speak for."""

    winner: str
    decided: _Comparisons  # for it, among those that carry it
    polls: tuple[Poll, ...] = ()  # that it holds for; () for all comparisons together


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One question over all comparisons of one transport with the perf buffers.

    A comparison is decided for a side if its interval lies beyond the margin and its p value,
    corrected by Holm over this question's comparisons, is below 5 %.
    """

    question: Question
    left: str  # transports
    right: str
    for_left: tuple[Comparison, ...]
    for_right: tuple[Comparison, ...]
    equal: tuple[Comparison, ...]  # every block gave the same on both sides
    equivalent: tuple[Comparison, ...]  # the sides differ by less than 2 %
    open: tuple[Comparison, ...]  # the interval reaches into the margin, or p is too large
    too_few: tuple[Comparison, ...]  # fewer than 8 blocks

    @property
    def asked(self) -> int:
        """Comparisons that bear on the question."""
        return len(self.for_left) + len(self.for_right) + len(self.equal) + len(self.others)

    @property
    def others(self) -> tuple[Comparison, ...]:
        """Return the comparisons in which the sides differed, and not so that one is better."""
        return (*self.equivalent, *self.open, *self.too_few)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Return what a headline may say: one direction, or those that hold for some ways to wait.

        A direction is carried by a set of comparisons if at least one is decided for it, none
        against it, and at least half of those in which the sides differed at all. Where not all
        comparisons carry one, those with one way of waiting may. () if nothing is carried.
        """
        for winner, wins, losses in self._sides():
            if self._carried(wins, losses, self.others):
                return (Direction(winner=winner, decided=wins),)
        polls = sorted({c.poll for c in (*self.for_left, *self.for_right) if c.poll is not None})
        return tuple(
            Direction(winner=winner, decided=sum(by_poll.values(), ()), polls=tuple(by_poll))
            for winner, wins, losses in self._sides()
            if (
                by_poll := {
                    poll: decided
                    for poll in polls
                    if (decided := _waiting(poll, wins))
                    and self._carried(
                        *(_waiting(poll, each) for each in (wins, losses, self.others))
                    )
                }
            )
        )

    def _sides(self) -> tuple[tuple[str, _Comparisons, _Comparisons], ...]:
        return (
            (self.left, self.for_left, self.for_right),
            (self.right, self.for_right, self.for_left),
        )

    @staticmethod
    def _carried(wins: _Comparisons, losses: _Comparisons, others: _Comparisons) -> bool:
        return bool(wins) and not losses and len(wins) >= len(others)


def _waiting(poll: Poll, comparisons: _Comparisons) -> _Comparisons:
    return tuple(each for each in comparisons if each.poll is poll)


def _alone(comparison: Comparison) -> bool:
    """Whether each arm had the storm and the machine to itself."""
    return not comparison.duet


def _ordered(comparison: Comparison) -> bool:
    return min(comparison.left.fewest_pairs, comparison.right.fewest_pairs) >= LEAST_PAIRS


def _lossless(comparison: Comparison) -> bool:
    # A transport that drops looks quick.
    return comparison.left.own_dropped == comparison.right.own_dropped == 0


def _delivered_soon(comparison: Comparison) -> bool:
    # What is read only after the storm has waited for its end, whatever carried it.
    return _lossless(comparison) and comparison.poll is not Poll.STOPPED


KEYS: Final = {
    Question.DROPS: "own_dropped_share",
    Question.ORDER: "causal_violation_share",
    Question.MEMORY: "physical_bytes",
    Question.LATENCY: "latency_p50_ns",
    Question.CPU: "consumer_cpu_s_per_million",
    Question.WRITE: "write_ns",
}
"""The number that answers each question."""

_BEARS: Final[dict[Question, Callable[[Comparison], bool]]] = {
    Question.DROPS: _alone,
    Question.ORDER: _ordered,
    Question.MEMORY: _alone,
    Question.LATENCY: _delivered_soon,
    Question.CPU: _lossless,
    Question.WRITE: _lossless,  # a refused write is another call
}


def _stand(question: Question, comparisons: Sequence[Comparison]) -> Standing:
    asked: list[tuple[Comparison, Row]] = [
        (comparison, row)
        for comparison in comparisons
        if _BEARS[question](comparison)
        and (row := comparison.row(KEYS[question])) is not None
        and row.estimate is not None
    ]
    # Duets see a fiftieth where blocks see a third: where there are some they have the word.
    asked = [each for each in asked if each[0].duet] or asked
    adjusted = holm([row.estimate.p for _, row in asked if row.estimate is not None])
    groups: dict[str, list[Comparison]] = {}
    for (comparison, row), p in zip(asked, adjusted, strict=True):
        groups.setdefault(_group(row, p), []).append(comparison)
    return Standing(
        question=question,
        left=comparisons[0].left.transport,
        right=comparisons[0].right.transport,
        for_left=tuple(groups.get("left", ())),
        for_right=tuple(groups.get("right", ())),
        equal=tuple(groups.get("equal", ())),
        equivalent=tuple(groups.get("equivalent", ())),
        open=tuple(groups.get("open", ())),
        too_few=tuple(groups.get("few", ())),
    )


def _group(row: Row, p: float) -> str:
    if row.outcome is Outcome.TOO_FEW:
        return "few"
    if row.outcome is Outcome.EQUAL:
        return "equal"
    if row.outcome is Outcome.EQUIVALENT:
        return "equivalent"
    if row.better == 0 or p >= _LEVEL:
        return "open"
    return "left" if row.better < 0 else "right"


def standings(comparisons: Sequence[Comparison]) -> tuple[Standing, ...]:
    """Judge every question for every transport that was compared with perf buffers."""
    by_transport: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        by_transport.setdefault(comparison.left.transport, []).append(comparison)
    return tuple(
        _stand(question, of_transport)
        for of_transport in by_transport.values()
        for question in Question
        if question is not Question.WRITE or any(each.row("write_ns") for each in of_transport)
    )
