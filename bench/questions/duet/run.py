# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a duet: storms until the intervals are as narrow as requested, or time is up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Final

from bench.amounts import bound, counted, given, seconds, share
from bench.errors import UsageError
from bench.plan.duration import estimate_seconds
from bench.plan.experiments import Experiment
from bench.questions.duet.judge import Duel, judge
from bench.trial.result import TrialResult

if TYPE_CHECKING:
    from bench.campaign.campaign import Campaign

FEWEST_STORMS: Final = 8
_HOPELESS: Final = 4.0
"""A precision that would need this many times the storms for which there is time is given up."""

_SETTLING: Final = 2.0  # of the time of a duet's planned storms

_BEFORE_GIVING_UP: Final = 2 * FEWEST_STORMS

_TOO_FEW: Final = "too few of them have latencies and writes of both arms"

_FEWEST_WINDOWS: Final = 4
"""Fewest windows of a storm: two pairs, or an arm may get hardly any of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """End a duet after ``storms`` or, with a precision, once that is reached.

    A duet that is precise but undecided continues if the time left would likely settle it.
    """

    storms: int
    precision: float | None  # half an interval, as a share
    seconds: float  # at most; storms that have begun are ended
    margin: float
    seed: int


def measure(
    duets: Sequence[Experiment],
    until: Until,
    running: Campaign,
    listener: Callable[[Sequence[Duel]], None],
) -> dict[str, Duel]:
    """Run storms of each of ``duets`` in turn, in random order; return the results by name.

    ``listener`` is called after each turn. Intervals hold however often they are examined. A duet
    that would not become precise enough in time is given up, with the reason.
    """
    trials: dict[str, list[TrialResult]] = {duet.name: [] for duet in duets}
    found: dict[str, Duel] = {}
    reasons: dict[str, str] = {}
    going, block = list(duets), 0
    begin_s = time.monotonic()
    while going and (block < FEWEST_STORMS or time.monotonic() - begin_s < until.seconds):
        random.Random(f"{until.seed}/{block}").shuffle(going)
        for duet in going:
            more = running.run(replace(duet, blocks=block + 1), lambda _: None, first_block=block)
            check_windows(more)
            trials[duet.name] += more
            found[duet.name] = judge(duet, trials[duet.name], until.margin, brief=True)
        block += 1
        listener([found[duet.name] for duet in duets])
        spent = (time.monotonic() - begin_s) / until.seconds
        for duet in tuple(going):
            reason = _end(found[duet.name], block, until, spent)
            if reason is not None:
                reasons[duet.name] = reason
                going.remove(duet)
    for duet in going:
        reasons[duet.name] = _out_of_time(found[duet.name], block, until)
    return {
        duet.name: replace(
            judge(duet, trials[duet.name], until.margin), given_up=reasons[duet.name]
        )
        for duet in duets
    }


def settle(
    experiments: Iterable[Experiment],
    running: Campaign,
    listener: Callable[[TrialResult], None],
    limit_s: float,
) -> None:
    """Add storms to the duets among ``experiments``, in turn, until they are settled.

    For at most ``limit_s``. No duet is given up earlier: after few storms, it is hardly known how
    many more it needs.
    """
    end_s = time.monotonic() + limit_s
    going = [each for each in experiments if each.duet]
    while going:
        for duet in tuple(going):
            trials = [each for each in running.trials if each.experiment == duet.name]
            storms = max((each.block + 1 for each in trials), default=0)
            undecided = judge(duet, trials, brief=True).times_to_settle > 0
            if undecided and time.monotonic() < end_s:
                one = replace(duet, blocks=storms + 1)
                running.run(one, listener, first_block=storms)
            else:
                going.remove(duet)


def settled(
    experiment: Experiment, running: Campaign, listener: Callable[[TrialResult], None]
) -> tuple[TrialResult, ...]:
    """Run an experiment, with more storms if it is an undecided duet; return all its trials."""
    running.run(experiment, listener)
    settle([experiment], running, listener, settling_seconds([experiment]))
    return tuple(each for each in running.trials if each.experiment == experiment.name)


def settling_seconds(experiments: Iterable[Experiment]) -> float:
    """Return how long duets of a profile may take beyond their planned storms."""
    return _SETTLING * sum(estimate_seconds(each) for each in experiments if each.duet)


def check_windows(storm: Sequence[TrialResult]) -> None:
    """Raise UsageError if a storm was over before both arms had their windows in it."""
    for trial in storm[:1]:
        rule = trial.config.duet
        if rule and trial.storm.end_ns - trial.storm.start_ns < _FEWEST_WINDOWS * rule.window_ns:
            raise UsageError(
                f"a storm of {trial.config.storm.count:,} took {seconds(trial.storm.seconds)}, "
                f"which is less than {_FEWEST_WINDOWS} windows of "
                f"{given(rule.window_ns / 1e6, 'ms')}",
                remedy="take a shorter window or a larger --count",
            )


def _end(found: Duel, block: int, until: Until, spent: float) -> str | None:
    """Return why a duet ends, "" if it is done; None if it goes on."""
    if until.precision is None:
        return "" if block >= until.storms else None
    # The interval shrinks with the root of the storms, at best.
    needed, possible = block * (found.half_width / until.precision) ** 2, block / spent
    if block >= FEWEST_STORMS and found.half_width <= until.precision:
        return None if 0 < found.times_to_settle * block <= possible else ""
    if block < _BEFORE_GIVING_UP or needed <= _HOPELESS * possible:
        return None
    why = _TOO_FEW
    if needed < inf:
        why = (
            f"a precision of {bound(until.precision)} would take some {needed:,.0f}, "
            f"and there is time for {possible:,.0f}"
        )
    return f"left after {counted(block, 'storm')}: {why}"


def _out_of_time(found: Duel, block: int, until: Until) -> str:
    """Return what was not reached in time; "" if all was."""
    begin = f"out of time after {counted(block, 'storm')}"
    if until.precision is None:
        return f"{begin} of {until.storms:,}"
    if found.half_width == inf:
        return f"{begin}: {_TOO_FEW}"
    if found.half_width <= until.precision:
        return ""
    return f"{begin}: precise within {share(found.half_width)}, not {bound(until.precision)}"
