# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run all settings in blocks, then each recommended one against its default in duets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from bench.errors import NotBalanced
from bench.plan.experiments import Experiment
from bench.questions.sizing.run import Run, check_load
from bench.questions.tune.axis import Axis
from bench.questions.tune.judge import Number, Point, against, points, recommend, tried_again
from bench.questions.tune.plan import DUETS, GRID, Choice, Setting, duets, grid
from bench.trial.result import TrialResult

_BESIDE = f"{GRID}-duet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Hold one transport's result. ``check``: the recommended setting in its duets."""

    axis: Axis  # by which the setting was chosen
    within_ms: float
    points: tuple[Point, ...]
    recommended: Point
    reason: str
    check: Point | None = None  # None: the default is recommended, or no duet is valid

    @property
    def confirmed(self) -> bool:
        """Return whether it was better in nine of ten duets and in time, if it had to be."""
        if self.check is None:
            return self.recommended.setting.default
        better = self.check.on(self.axis).better_in >= 0.9 * DUETS
        return better and not self.check.late(self.axis, self.within_ms)

    @property
    def setting(self) -> Setting:
        """Return the final recommendation: the default if duets did not confirm another."""
        return self.recommended.setting if self.confirmed else Setting()

    @property
    def final(self) -> Point:
        """Return the point of the final recommendation: from the duets, which chose nothing."""
        return self.check if self.check and self.confirmed else self.points[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hold the results of all transports: the best on the axis first."""

    tuned: dict[str, Tuned]
    beside: Number | None  # the first over the second in duets of both, each as recommended
    trials: Sequence[TrialResult]


def planned(tried: Sequence[Choice], blocks: int) -> tuple[Experiment, ...]:
    """Return all rounds; the duets are examples, of the default and one more setting."""
    by_transport = groupby(tried, key=lambda each: each.transport)
    pairs = {name: tuple(islice(group, 2)) for name, group in by_transport}
    rounds = [duets(f"{_BESIDE}-{name}", pair[::-1]) for name, pair in pairs.items()]
    if len(pairs) > 1:
        rounds.append(duets(_BESIDE, [default for default, _ in islice(pairs.values(), 2)]))
    return grid(tried, blocks), *rounds


def measure(
    tried: Sequence[Choice],
    axis: Axis,
    within_ms: float,
    *,
    blocks: int,
    run: Run,
    begin: Callable[[Experiment], None],
) -> Outcome:
    """Run all rounds and judge them; call ``begin`` before each.

    NotBalanced if the default of a transport has no valid trial.
    """
    trials: list[TrialResult] = []

    def storms(planned: Experiment) -> Sequence[TrialResult]:
        begin(planned)
        found = run(planned, check_load)
        trials.extend(found)
        return found

    known = points(tried, storms(grid(tried, blocks)))
    if lacking := [each.transport for each in tried if each.transport not in known]:
        raise NotBalanced(
            f"no storm under the default of {lacking[0]} can be judged",
            remedy="see the reasons in the journal, with bufbench report",
        )
    choice = {(each.transport, each.setting): each for each in tried}
    tuned: dict[str, Tuned] = {}
    for transport, each in known.items():
        point, reason, decided_by = recommend(each, axis, within_ms)
        check = None
        if not point.setting.default:
            pair = choice[transport, point.setting], choice[transport, Setting()]
            final = duets(f"{_BESIDE}-{transport}", pair)
            check = tried_again(final.name, storms(final), *pair)
        tuned[transport] = Tuned(
            axis=decided_by,
            within_ms=within_ms,
            points=each,
            recommended=point,
            reason=reason,
            check=check,
        )
    late = {name: each.final.late(axis, within_ms) for name, each in tuned.items()}
    order = sorted(tuned, key=lambda name: (late[name], tuned[name].final.on(axis).value))
    beside = None
    if order[1:]:
        first, second = (choice[name, tuned[name].setting] for name in order[:2])
        found = storms(duets(_BESIDE, (first, second)))
        beside = against(_BESIDE, axis, found, first, second)
        if beside and beside.ratio > 1 and late[first.transport] == late[second.transport]:
            order[:2] = second.transport, first.transport
            beside = against(_BESIDE, axis, found, second, first)
    return Outcome(tuned={name: tuned[name] for name in order}, beside=beside, trials=trials)
