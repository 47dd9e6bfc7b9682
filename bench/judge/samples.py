# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold the trials of an experiment by arm and block, and pair them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import hypot, isnan, nan
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from bench.judge import duets
from bench.judge.columns import Columns
from bench.judge.duets import ERRORS, QUANTILES, Tail, tails
from bench.judge.metrics import Metric, Unit
from bench.judge.statistics import Estimate, paired_difference, paired_ratio
from bench.linux.machine import Machine
from bench.measure.bins import percentiles
from bench.measure.columns import Floats, Integers
from bench.measure.latency import Percentiles, named
from bench.plan.config import TrialConfig
from bench.plan.experiments import BASELINES, ArmName
from bench.trial.result import State, TrialResult

Place = tuple[int, int]
"""Run and block: trials are compared only with those of the same place."""

Column = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Hold the trials of one run, and the machine on which they ran, if known."""

    trials: Sequence[TrialResult]
    machine: Machine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Hold the trials of one arm in one run; no two have the same block."""

    run: int
    columns: Columns
    machine: Machine | None
    loads: Integers  # equal where the trials of these samples have equal loads

    def chosen(self, rows: Integers) -> Part:
        """Return the part with some of its trials."""
        return replace(self, columns=self.columns.chosen(rows), loads=self.loads[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Both:
    """Hold the rows of two arms that share a place, in the order of places."""

    left: Integers
    right: Integers
    same_load: npt.NDArray[np.bool_]
    even: npt.NDArray[np.bool_]  # also the same storm, if it was to be shared


@dataclass(kw_only=True, eq=False)
class ArmSamples:
    """Hold the trials of one arm that count, as columns.

    ``baselines``: storm ns per process under "none" and "noop" in the block of each trial.
    """

    name: ArmName
    parts: list[Part] = field(default_factory=list)
    baselines: dict[str, Floats] = field(default_factory=dict)
    _numbers: dict[str, Floats] = field(default_factory=dict, init=False)
    # By the other arm. Weak: arms that held each other would outlive the report of their machine.
    _aligned: WeakKeyDictionary[ArmSamples, _Both] = field(
        default_factory=WeakKeyDictionary, init=False
    )
    _tails: WeakKeyDictionary[ArmSamples, dict[str, Tail]] = field(
        default_factory=WeakKeyDictionary, init=False
    )

    def __len__(self) -> int:
        return sum(len(part.columns) for part in self.parts)

    @cached_property
    def columns(self) -> Columns:
        """Return the columns of all trials that count."""
        first, *more = [part.columns for part in self.parts] or [Columns(())]
        return first.joined(more) if more else first

    @cached_property
    def trials(self) -> tuple[TrialResult, ...]:
        """Return the trials that count."""
        return self.columns.trials()

    @cached_property
    def places(self) -> list[Place]:
        """Return the place of each trial."""
        return list(zip(self._runs.tolist(), self._blocks.tolist(), strict=True))

    @cached_property
    def by_place(self) -> dict[Place, TrialResult]:
        """Return the trials by their place."""
        return dict(zip(self.places, self.trials, strict=True))

    @cached_property
    def config(self) -> TrialConfig:
        """Return the first trial's configuration."""
        places, configs = self.columns.configs()
        return configs[int(places[0])]

    @cached_property
    def configs(self) -> list[TrialConfig]:
        """Return every configuration of a trial."""
        return [*self.columns.configs()[1]]

    @cached_property
    def duet(self) -> bool:
        """Return whether the trials shared their storms with those of another arm."""
        return bool(self.columns.duets().any())

    @property
    def held_up(self) -> bool:
        """Return whether programs are delayed so that records tear; buffers are not judged then."""
        return any(each.producer.checked and each.producer.delay_ns for each in self.configs)

    def number(self, key: str) -> Floats:
        """Return a number of each trial; NaN where it is unknown or has no meaning."""
        if key in _DERIVED:
            return _DERIVED[key](self)
        if key not in self._numbers:
            self._numbers[key] = self.columns.number(key)
        return self._numbers[key]

    def total(self, key: str) -> int:
        """Return the sum of a count over the trials that have it."""
        return int(np.nansum(self.number(key)))

    def values(self, metric: Metric) -> dict[Place, float]:
        """Return ``metric`` of every trial that has it."""
        pairs = zip(self.places, self.number(metric.key).tolist(), strict=True)
        return {place: value for place, value in pairs if not isnan(value)}

    def latency(self) -> Percentiles | None:
        """Return the latency of all records; None without any. JournalError if undecodable."""
        counts = self.number("latency_count")
        if np.isnan(counts).all():
            return None
        most_ns = int(np.nanmax(self.number("latency_max_ns")))
        found = percentiles(self.columns.merged_bins(), (0.5, 0.9, 0.99, 0.999), most_ns)
        return Percentiles(**named(int(np.nansum(counts)), [*found, most_ns]))

    def tails(self, other: ArmSamples) -> dict[str, Tail]:
        """Compare the tails of latency in storms that both arms share and have records from."""
        if other not in self._tails:
            self._tails[other] = self._compare_tails(other)
        return self._tails[other]

    def _compare_tails(self, other: ArmSamples) -> dict[str, Tail]:
        both = self.aligned(other)
        rows, others = both.left[both.even], both.right[both.even]
        counts, its = self.number("latency_count")[rows], other.number("latency_count")[others]
        kept = np.flatnonzero(~np.isnan(counts + its))
        kept = kept[np.argsort(rows[kept])]
        if not len(kept):
            return {}
        first, second = (
            arm.columns.bins().chosen(of[kept]) for arm, of in ((self, rows), (other, others))
        )
        return tails(first, second)

    def aligned(self, other: ArmSamples) -> _Both:
        """Return the trials that both arms have at the same places."""
        if other not in self._aligned:
            self._aligned[other] = self._align(other)
        return self._aligned[other]

    def _align(self, other: ArmSamples) -> _Both:
        blocks, ranks = np.unique(
            np.concatenate([self._blocks, other._blocks]), return_inverse=True
        )
        codes = np.concatenate([self._runs, other._runs]) * len(blocks) + ranks
        _, left, right = np.intersect1d(
            codes[: len(self)], codes[len(self) :], assume_unique=True, return_indices=True
        )
        same_load = self._loads[left] == other._loads[right]
        one_storm = self._starts_ns[left] == other._starts_ns[right]
        to_share = self.of_config(lambda config: bool(config.duet and not config.duet.solo))
        even = same_load & (one_storm | (to_share[left] == 0))
        return _Both(left=left, right=right, same_load=same_load, even=even)

    @cached_property
    def _runs(self) -> Integers:
        return self._joined(lambda part: np.full(len(part.columns), part.run))

    @cached_property
    def _blocks(self) -> Integers:
        return self.columns.blocks()

    @cached_property
    def _loads(self) -> Integers:
        return self._joined(lambda part: part.loads)

    @cached_property
    def _starts_ns(self) -> Integers:
        return self.columns.starts_ns()

    def _joined(self, of: Callable[[Part], Column]) -> Column:
        return np.concatenate([np.zeros(0, np.int64), *map(of, self.parts)])

    def of_machine(self, of: Callable[[Machine], float | None], otherwise: float) -> Floats:
        """Return a fact about the machine of each trial; ``otherwise`` where it is unknown."""
        values = [otherwise if part.machine is None else of(part.machine) for part in self.parts]
        known = np.array([nan if value is None else value for value in values])
        return np.repeat(known, [len(part.columns) for part in self.parts])

    def of_config(self, of: Callable[[TrialConfig], int]) -> Integers:
        """Return a fact about the configuration of each trial."""
        places, configs = self.columns.configs()
        return np.array([*map(of, configs)], np.int64)[places]


def _over(part: Floats, whole: Floats) -> Floats:
    return part / np.where(whole > 0, whole, nan)


def _net_ns(arm: ArmSamples, key: str, raised: Floats, busy_cpus: Floats) -> Floats:
    """Subtract the interrupts of raised wake-ups, shared by the CPUs that were busy."""
    wakeup_cost_ns = arm.of_machine(lambda machine: machine.wakeup_cost_ns, nan)
    net_ns = arm.number(key) - raised * wakeup_cost_ns / busy_cpus
    return np.where(net_ns > 0, net_ns, nan)


def _run_net_ns(arm: ArmSamples) -> Floats:
    """Return kernel time without its interrupts, which precede the program's return."""
    raised = _over(arm.number("wakeups_raised"), arm.number("kernel_runs"))
    return _net_ns(arm, "kernel_ns_per_run", raised, np.ones(len(arm)))


def _storm_net_ns(arm: ArmSamples) -> Floats:
    cpus = arm.of_machine(lambda machine: machine.cpus, 1)
    busy_cpus = np.maximum(1, np.minimum(arm.of_config(lambda each: each.storm.workers), cpus))
    raised = _over(arm.number("wakeups_raised"), arm.number("reaped"))
    return _net_ns(arm, "storm_ns_per_process", raised, busy_cpus)


def _slow_down(arm: ArmSamples, baseline: str) -> Floats:
    bare_ns = arm.baselines.get(baseline, np.full(len(arm), nan))
    return _over(arm.number("storm_ns_per_process"), bare_ns)


_DERIVED: Final[Mapping[str, Callable[[ArmSamples], Floats]]] = {
    "kernel_net_ns_per_run": _run_net_ns,
    "storm_net_ns_per_process": _storm_net_ns,
    "storm_over_noop": partial(_slow_down, baseline="noop"),
    "storm_over_none": partial(_slow_down, baseline="none"),
}
"""Numbers of a trial that depend on its machine, or on others of its block."""


@dataclass(slots=True, kw_only=True)
class ExperimentSamples:
    """Hold the trials of one experiment; arms in the order of their first trials."""

    name: str
    arms: dict[str, ArmSamples] = field(default_factory=dict)
    states: dict[State, int] = field(default_factory=dict)
    invalid: list[TrialResult] = field(default_factory=list)
    reduced: list[TrialResult] = field(default_factory=list)

    @property
    def names(self) -> tuple[ArmName, ...]:
        """Return the names of the arms that have trials."""
        return tuple(arm.name for arm in self.arms.values())

    def hand_out_baselines(self) -> None:
        """Give every arm the length of the storms without a tracer in the same blocks."""
        for baseline in BASELINES:
            if baseline not in self.arms:
                continue
            bare = self.arms[baseline]
            lengths_ns = bare.number("storm_ns_per_process")
            for arm in self.arms.values():
                both = arm.aligned(bare)
                given = np.full(len(arm), nan)
                given[both.left[both.same_load]] = lengths_ns[both.right[both.same_load]]
                arm.baselines[baseline] = given


def uneven(left: ArmSamples, right: ArmSamples) -> list[Place]:
    """Return the blocks that both arms ran, but under unequal loads or not in one storm."""
    both = left.aligned(right)
    return [left.places[row] for row in both.left[~both.even].tolist()]


def without(arm: ArmSamples, places: Iterable[Place]) -> ArmSamples:
    """Return ``arm`` without some of its blocks."""
    left_out = set(places)
    if not left_out:
        return arm
    kept = np.array([place not in left_out for place in arm.places], np.bool_)
    ends = np.cumsum([len(part.columns) for part in arm.parts])[:-1]
    parts = [
        part.chosen(np.flatnonzero(rows))
        for part, rows in zip(arm.parts, np.split(kept, ends), strict=False)
        if rows.any()
    ]
    baselines = {name: column[kept] for name, column in arm.baselines.items()}
    return ArmSamples(name=arm.name, parts=parts, baselines=baselines)


def paired(metric: Metric, left: ArmSamples, right: ArmSamples) -> tuple[list[float], list[float]]:
    """Return ``metric`` of both arms in the blocks that have it for both, under equal loads."""
    first, second, *_ = _pairs(metric, left, right)
    return first.tolist(), second.tolist()


def _pairs(
    metric: Metric, left: ArmSamples, right: ArmSamples
) -> tuple[Floats, Floats, Integers, Integers]:
    """Return the values of ``paired``, and their rows in both arms."""
    both = left.aligned(right)
    rows, others = both.left[both.even], both.right[both.even]
    first, second = left.number(metric.key)[rows], right.number(metric.key)[others]
    known = ~(np.isnan(first) | np.isnan(second))
    return first[known], second[known], rows[known], others[known]


def tail_of(metric: Metric, left: ArmSamples, right: ArmSamples) -> Tail | None:
    """Return a quantile of the pooled latencies of a duet; None for any other number."""
    if metric.key not in QUANTILES or not (left.duet and right.duet):
        return None
    return left.tails(right).get(metric.key)


def estimate(metric: Metric, left: ArmSamples, right: ArmSamples) -> Estimate | None:
    """Compare ``metric`` within the blocks that both arms ran; None without any.

    Shares are compared by the mean of differences. Other numbers by the median of log ratios, or,
    where one of them is not above 0, by the median of differences. Within the storms of a duet the
    ratio is a geometric mean, storms weighted by their precision, with an interval that holds
    whenever the run was ended; the ratio of a tail is that of all storms together.
    """
    first, second, rows, others = _pairs(metric, left, right)
    if not len(first):
        return None
    if (tail := tail_of(metric, left, right)) is not None:
        return tail.estimate
    if metric.unit is Unit.SHARE:
        return paired_difference(first, second, mean=True)
    if min(first.min(), second.min()) > 0:
        if not left.duet:
            return paired_ratio(first, second)
        if metric.key not in ERRORS:
            return duets.paired_ratio(first, second)
        errors = (arm.number(f"{metric.key}_error") for arm in (left, right))
        both = np.transpose([e[of] for e, of in zip(errors, (rows, others), strict=True)]).tolist()
        return duets.paired_ratio(
            first, second, [None if isnan(sum(each)) else hypot(*each) for each in both]
        )
    return paired_difference(first, second)
