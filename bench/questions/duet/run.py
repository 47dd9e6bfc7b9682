# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A duet run: storms until the numbers are as sharp as asked for, or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from bench.plan.experiments import Experiment
from bench.questions.duet.judge import Duel, judge
from bench.trial.result import TrialResult

FEWEST_STORMS: Final = 8

Listener = Callable[[TrialResult], None]


class Runs(Protocol):
    """What runs experiments: a campaign."""

    def run(
        self, experiment: Experiment, listener: Listener, *, first_block: int = 0
    ) -> tuple[TrialResult, ...]:
        """Run the blocks of ``experiment`` from ``first_block`` on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """When a duet ends: after so many storms or, with a precision, once it is reached."""

    storms: int
    precision: float | None  # half an interval, as a share
    seconds: float  # at most; storms that have begun are ended
    margin: float


def measure(
    duet: Experiment, until: Until, running: Runs, listener: Callable[[Duel], None]
) -> tuple[TrialResult, ...]:
    """Run storms of ``duet``; ``listener`` hears what they say after each.

    Looking after every storm costs nothing: the intervals hold however often they are looked at.
    """
    trials: list[TrialResult] = []
    end_s, block = time.monotonic() + until.seconds, 0
    while block < FEWEST_STORMS or time.monotonic() < end_s:
        trials += running.run(replace(duet, blocks=block + 1), _unheard, first_block=block)
        block += 1
        found = judge(duet, trials, until.margin)
        listener(found)
        if until.precision is None:
            if block >= until.storms:
                break
        elif block >= FEWEST_STORMS and found.as_narrow_as(until.precision):
            break
    return tuple(trials)


def _unheard(_: TrialResult) -> None:
    """Hear of a trial; the storm is the unit."""
