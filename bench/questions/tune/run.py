# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run all settings in blocks, then the recommended one against the default in new blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Final

from bench.errors import NotBalanced
from bench.plan.experiments import Experiment
from bench.questions.sizing.run import Run, check_load
from bench.questions.tune.axis import Axis
from bench.questions.tune.judge import Number, Point, against, points, recommend
from bench.questions.tune.plan import Choice, Setting, experiment
from bench.trial.result import TrialResult

CHECK_BLOCKS: Final = 10
"""Blocks of the recommended settings and the defaults alone, which did not choose them."""

_GRID, _CHECK = "tune", "tune-check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Hold one transport's result. ``check``: the recommended setting, in blocks of its own."""

    axis: Axis
    points: tuple[Point, ...]
    recommended: Point
    reason: str
    check: Point | None = None  # None: the default is recommended

    @property
    def confirmed(self) -> bool:
        """Return whether the check found it better in nine of ten blocks, if one was needed."""
        if self.check is None:
            return self.recommended.setting.default
        found = self.check.on(self.axis)
        return 10 * found.better_in >= 9 * found.blocks

    @property
    def setting(self) -> Setting:
        """Return what is recommended in the end: the default where the check did not confirm."""
        return self.recommended.setting if self.confirmed else Setting()

    @property
    def final(self) -> Point:
        """Return the point of what is recommended: of the check, whose blocks chose nothing."""
        return self.check if self.check and self.confirmed else self.points[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hold the results of all transports: the best on the axis first."""

    tuned: dict[str, Tuned]
    beside: Number | None  # the first over the second on the axis, each as recommended
    trials: Sequence[TrialResult]


def planned(tried: Sequence[Choice], blocks: int) -> tuple[Experiment, Experiment]:
    """Return both rounds; the second, of the default and one more setting, as it may become."""
    by_transport = groupby(tried, key=lambda each: each.transport)
    most = [each for _, group in by_transport for each in islice(group, 2)]
    return experiment(_GRID, tried, blocks), experiment(_CHECK, most, CHECK_BLOCKS)


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

    def storms(name: str, tried: Sequence[Choice], blocks: int) -> list[TrialResult]:
        asked = experiment(name, tried, blocks)
        begin(asked)
        return list(run(asked, check_load))

    trials = storms(_GRID, tried, blocks)
    found = points(_GRID, tried, trials)
    if lacking := [each.transport for each in tried if each.transport not in found]:
        raise NotBalanced(
            f"no storm under the default of {lacking[0]} can be judged",
            remedy="see the reasons in the journal, with bufbench report",
        )
    chosen = {name: recommend(each, axis, within_ms) for name, each in found.items()}
    again = [each for each in tried if _is_checked(each, chosen[each.transport][0].setting)]
    checked: dict[str, Point] = {}
    if again:
        more = storms(_CHECK, again, CHECK_BLOCKS)
        trials += more
        checked = {name: each[1] for name, each in points(_CHECK, again, more).items() if each[1:]}
    tuned = {
        name: Tuned(
            axis=axis, points=found[name], recommended=point, reason=why, check=checked.get(name)
        )
        for name, (point, why) in chosen.items()
    }

    def rank(transport: str) -> tuple[bool, float]:
        final = tuned[transport].final
        return final.late(axis, within_ms), final.on(axis).value

    order = sorted(tuned, key=rank)
    beside = None
    if order[1:]:
        finals = {
            each.transport: each.arm.name
            for each in tried
            if each.setting == tuned[each.transport].setting
        }
        in_check = {each.transport for each in again}.issuperset(order[:2])
        arms = (finals[each] for each in order[:2])
        beside = against(_CHECK if in_check else _GRID, axis, trials, *arms)
    return Outcome(tuned={each: tuned[each] for each in order}, beside=beside, trials=trials)


def _is_checked(choice: Choice, recommended: Setting) -> bool:
    return not recommended.default and choice.setting in (recommended, Setting())
