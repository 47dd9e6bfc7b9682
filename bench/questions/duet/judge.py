# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A duet judged, with the storm as the unit: records of one storm are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from statistics import median
from typing import Final

from bench.judge.comparison import Outcome, outcome_of
from bench.judge.metrics import Unit
from bench.judge.numbers import number
from bench.judge.sequential import paired_ratio
from bench.judge.statistics import Estimate
from bench.trial.result import State, TrialResult

MARGIN: Final = 0.02
"""Equivalent is what differs by no more, as a share, by default."""

_COUNTED: Final = frozenset({State.VALID, State.NOISY, State.DISTURBED})

Pairs = Sequence[tuple[TrialResult, TrialResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A number that two arms of one storm are compared by."""

    key: str
    label: str
    delivered: bool  # taken from what was delivered: without meaning where records were dropped
    central: bool = True  # sharp enough to wait for: not a tail


NUMBERS: Final = (
    Compared(key="latency_p50_ns", label="median latency", delivered=True),
    Compared(key="latency_p99_ns", label="latency, 99th percentile", delivered=True, central=False),
    Compared(key="write_ns", label="time of a write in the kernel", delivered=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One number of the first arm against the second's."""

    compared: Compared
    unit: Unit = Unit.NS
    first: float  # median over storms
    second: float
    estimate: Estimate
    verdict: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """What all storms of one duet say."""

    storms: int  # that count
    left_out: int  # invalid or reduced
    lossy: int  # in which an arm dropped records: they say nothing of latency
    judged: tuple[Judged, ...]
    later_share: float | None  # P(a record of the first arm is later than one of the second)
    p: float | None  # of the ranks of latency, from the assignment alone

    def as_narrow_as(self, precision: float) -> bool:
        """Return whether no interval but those of tails reaches farther than ``precision``."""
        central = [each for each in self.judged if each.compared.central]
        return bool(central) and all(each.estimate.resolvable <= precision for each in central)


def pairs(trials: Sequence[TrialResult]) -> Pairs:
    """Return the trials of each storm, the first arm's before the second's."""
    of_storm: dict[int, dict[bool, TrialResult]] = {}
    for trial in trials:
        if trial.half is not None:
            of_storm.setdefault(trial.storm.start_ns, {})[trial.half.second] = trial
    return [(each[False], each[True]) for each in of_storm.values() if len(each) > 1]


def judge(trials: Sequence[TrialResult], margin: float = MARGIN) -> Duel:
    """Judge the storms of one duet."""
    found = pairs(trials)
    counted = [pair for pair in found if pair[0].state in _COUNTED]
    lossless = [pair for pair in counted if not any(_dropped(each) for each in pair)]
    ranks = [pair[0].half.ranks for pair in lossless if pair[0].half is not None]
    ranked = [each for each in ranks if each is not None]
    variance = sum(each.rank_variance for each in ranked)
    return Duel(
        storms=len(counted),
        left_out=len(found) - len(counted),
        lossy=len(counted) - len(lossless),
        judged=tuple(
            judged
            for each in NUMBERS
            if (judged := _judged(each, lossless if each.delivered else counted, margin))
        ),
        later_share=sum(each.later_share for each in ranked) / len(ranked) if ranked else None,
        p=erfc(abs(sum(each.rank_sum for each in ranked)) / sqrt(2 * variance))
        if variance
        else None,
    )


def _dropped(trial: TrialResult) -> bool:
    return trial.ledger is not None and trial.ledger.own_dropped > 0


def _judged(compared: Compared, found: Pairs, margin: float) -> Judged | None:
    of = number(compared.key)
    values = [
        (first, second)
        for left, right in found
        if (first := of(left)) and (second := of(right)) and first > 0 and second > 0
    ]
    if not values:
        return None
    left_values, right_values = ([pair[side] for pair in values] for side in (0, 1))
    estimate = paired_ratio(left_values, right_values)
    verdict = outcome_of(estimate, 0.0, margin)
    return Judged(
        compared=compared,
        first=median(left_values),
        second=median(right_values),
        estimate=estimate,
        verdict=Outcome.EQUIVALENT if verdict is Outcome.EQUAL else verdict,
    )
