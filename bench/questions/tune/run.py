# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Tuning run: all settings in blocks, then what is recommended against the default, anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.errors import MachineUnfit, NotBalanced
from bench.judge.load import reduced
from bench.plan.experiments import Experiment
from bench.questions.tune.axis import Axis
from bench.questions.tune.judge import (
    Number,
    Point,
    Recommendation,
    against,
    points,
    recommend,
)
from bench.questions.tune.plan import Choice, Setting, experiment
from bench.trial.result import TrialResult

CHECK_BLOCKS: Final = 10
"""Blocks that only the recommended settings and the defaults have: chance chose none of them."""

_GRID, _CHECK = "tune", "tune-check"

Listener = Callable[[TrialResult], None]
Run = Callable[[Experiment, Listener], Sequence[TrialResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What one transport came to. ``check``: the setting recommended, in blocks of its own."""

    points: tuple[Point, ...]
    recommended: Recommendation
    check: Point | None = None  # None: the default is recommended

    def confirmed(self, axis: Axis) -> bool:
        """Return whether the check found it better in nine of ten blocks, if one was needed."""
        if self.check is None:
            return self.recommended.point.setting.default
        found = self.check.on(axis)
        return 10 * found.better_in >= 9 * found.blocks

    def setting(self, axis: Axis) -> Setting:
        """Return what is recommended in the end: the default where the check did not confirm."""
        return self.recommended.point.setting if self.confirmed(axis) else Setting()

    def final(self, axis: Axis) -> Point:
        """Return the point of what is recommended: of the check, whose blocks chose nothing."""
        return self.check if self.check and self.confirmed(axis) else self.points[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What all transports came to: the best on the axis first."""

    tuned: dict[str, Tuned]
    beside: Number | None  # the first over the second on the axis, each as recommended
    trials: Sequence[TrialResult]


def planned(tried: Sequence[Choice], blocks: int) -> tuple[Experiment, Experiment]:
    """Return both rounds; the second as large as it may become."""
    return experiment(_GRID, tried, blocks), experiment(_CHECK, _most(tried), CHECK_BLOCKS)


def _most(tried: Sequence[Choice]) -> list[Choice]:
    """Return the default and one more of each transport."""
    by_transport: dict[str, list[Choice]] = {}
    for each in tried:
        by_transport.setdefault(each.transport, []).append(each)
    return [each for group in by_transport.values() for each in group[:2]]


def measure(
    tried: Sequence[Choice],
    axis: Axis,
    within_ms: float,
    *,
    blocks: int,
    run: Run,
    begin: Callable[[Experiment], None],
) -> Outcome:
    """Run both rounds and judge them; call ``begin`` before each.

    NotBalanced where the default of a transport has no valid trial.
    """
    asked = experiment(_GRID, tried, blocks)
    begin(asked)
    trials = list(run(asked, check_load))
    found = points(_GRID, tried, trials)
    for transport in dict.fromkeys(each.transport for each in tried):
        if transport not in found:
            raise NotBalanced(
                f"no storm under the default of {transport} can be judged",
                remedy="see the reasons in the journal, with bufbench report",
            )
    chosen = {name: recommend(each, axis, within_ms) for name, each in found.items()}
    again = [each for each in tried if _is_checked(each, chosen)]
    if again:
        asked = experiment(_CHECK, again, CHECK_BLOCKS)
        begin(asked)
        more = run(asked, check_load)
        trials += more
        checked = {name: each[1] for name, each in points(_CHECK, again, more).items() if each[1:]}
    else:
        checked = {}
    tuned = {
        name: Tuned(points=each, recommended=chosen[name], check=checked.get(name))
        for name, each in found.items()
    }
    order = sorted(tuned, key=lambda each: _rank(tuned[each].final(axis), axis, within_ms))
    finals = {
        each.transport: each.arm.name
        for each in tried
        if each.setting == tuned[each.transport].setting(axis)
    }
    rounds = {each.transport for each in again}
    beside = None
    if order[1:]:
        name = _CHECK if rounds.issuperset(order[:2]) else _GRID
        beside = against(name, axis, trials, *(finals[each] for each in order[:2]))
    return Outcome(tuned={each: tuned[each] for each in order}, beside=beside, trials=trials)


def _rank(point: Point, axis: Axis, within_ms: float) -> tuple[bool, float]:
    late = axis is Axis.BALANCE and point.p99_ns.value > within_ms * 1e6
    return late, point.on(axis).value


def _is_checked(choice: Choice, chosen: Mapping[str, Recommendation]) -> bool:
    setting = chosen[choice.transport].point.setting
    return not setting.default and choice.setting in (setting, type(setting)())


def check_load(trial: TrialResult) -> None:
    """Raise MachineUnfit for a storm that is not the load that was asked for."""
    if lacking := reduced(trial):
        raise MachineUnfit(
            f"a storm was not the one to tune for: {'; '.join(lacking)}",
            remedy="leave this machine to the measurement, and raise pids.max or RLIMIT_NPROC",
        )
