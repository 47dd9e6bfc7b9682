# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Samples: the trials of an experiment by arm and block, ready to be paired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.judge import sequential
from bench.judge.load import load_of, state_of
from bench.judge.metrics import Metric, Reading, Unit, storm_ns_per_process
from bench.judge.precision import ratio_error
from bench.judge.statistics import Estimate, paired_difference, paired_ratio
from bench.judge.tails import QUANTILES, Tail, tails
from bench.linux.machine import Machine
from bench.plan.experiments import BASELINES, ArmName
from bench.trial.result import State, TrialResult

Place = tuple[int, int]
"""Run and block: trials are compared with those of the same place only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The trials of one run, and the machine that they ran on where it is known."""

    trials: Sequence[TrialResult]
    machine: Machine | None = None


@dataclass(slots=True, kw_only=True)
class ArmSamples:
    """The trials of one arm that count."""

    name: ArmName
    readings: dict[Place, Reading] = field(default_factory=dict)

    @property
    def trials(self) -> tuple[TrialResult, ...]:
        """The trials that count."""
        return tuple(reading.trial for reading in self.readings.values())

    @property
    def duet(self) -> bool:
        """Whether the trials shared their storms with those of another arm."""
        return any(trial.half is not None for trial in self.trials)

    @property
    def held_up(self) -> bool:
        """Whether its programs are held up for records to tear: it says nothing of the buffers."""
        producers = [trial.config.producer for trial in self.trials]
        return any(each.checked and each.delay_ns for each in producers)

    def values(self, metric: Metric) -> dict[Place, float]:
        """Return ``metric`` of every trial that has it."""
        return {
            place: value
            for place, reading in self.readings.items()
            if (value := metric.take(reading)) is not None
        }


@dataclass(slots=True, kw_only=True)
class ExperimentSamples:
    """The trials of one experiment; arms in the order in which they were first met."""

    name: str
    arms: dict[str, ArmSamples] = field(default_factory=dict)
    states: dict[State, int] = field(default_factory=dict)
    invalid: list[TrialResult] = field(default_factory=list)
    reduced: list[TrialResult] = field(default_factory=list)

    @property
    def names(self) -> tuple[ArmName, ...]:
        """The names of the arms that have trials."""
        return tuple(arm.name for arm in self.arms.values())

    def take(self, place: Place, stretch: Stretch, trial: TrialResult) -> None:
        """File one trial. Invalid and reduced ones are kept apart, and count in nothing."""
        state = state_of(trial)
        self.states[state] = self.states.get(state, 0) + 1
        if state is State.INVALID:
            self.invalid.append(trial)
            return
        if state is State.REDUCED:
            self.reduced.append(trial)
            return
        arm = self.arms.setdefault(trial.arm, ArmSamples(name=trial.arm))
        machine = stretch.machine
        reading = Reading(
            trial=trial,
            wakeup_cost_ns=machine.wakeup_cost_ns if machine is not None else None,
            cpus=machine.cpus if machine is not None else 1,
            baseline_ns={},
            load=load_of(trial),
        )
        arm.readings.setdefault(place, reading)

    def hand_out_baselines(self) -> None:
        """Give every reading how long the storm took without a tracer in its block."""
        for baseline in BASELINES:
            if baseline not in self.arms:
                continue
            for place, bare in self.arms[baseline].readings.items():
                length_ns = storm_ns_per_process(bare.trial)
                if length_ns is None:
                    continue
                for arm in self.arms.values():
                    traced = arm.readings.get(place)
                    if traced is not None and traced.load == bare.load:
                        traced.baseline_ns[baseline] = length_ns


def file(stretches: Iterable[Stretch]) -> dict[str, ExperimentSamples]:
    """File all trials by experiment, in the order in which experiments were first met."""
    experiments: dict[str, ExperimentSamples] = {}
    for run, stretch in enumerate(stretches):
        for trial in stretch.trials:
            name = trial.experiment
            experiment = experiments.setdefault(name, ExperimentSamples(name=name))
            experiment.take((run, trial.block), stretch, trial)
    for experiment in experiments.values():
        experiment.hand_out_baselines()
    return experiments


def uneven(left: ArmSamples, right: ArmSamples) -> list[Place]:
    """Return the blocks that both arms ran, with loads that are not equal or not in one storm."""
    both = sorted(left.readings.keys() & right.readings.keys())
    return [place for place in both if _apart(left.readings[place], right.readings[place])]


def _apart(left: Reading, right: Reading) -> bool:
    duet = left.trial.config.duet
    if duet and not duet.solo and left.trial.storm.start_ns != right.trial.storm.start_ns:
        return True
    return left.load != right.load


def without(arm: ArmSamples, places: Iterable[Place]) -> ArmSamples:
    """Return ``arm`` without some of its blocks."""
    left_out = set(places)
    kept = {place: each for place, each in arm.readings.items() if place not in left_out}
    return ArmSamples(name=arm.name, readings=kept)


def paired(metric: Metric, left: ArmSamples, right: ArmSamples) -> tuple[list[float], list[float]]:
    """Return ``metric`` of both arms in the blocks that have it of both, under equal loads."""
    first, second = left.values(metric), right.values(metric)
    places = _places(metric, left, right)
    return [first[place] for place in places], [second[place] for place in places]


def _places(metric: Metric, left: ArmSamples, right: ArmSamples) -> list[Place]:
    both = left.values(metric).keys() & right.values(metric).keys()
    return sorted(both - set(uneven(left, right)))


def tail_of(metric: Metric, left: ArmSamples, right: ArmSamples) -> Tail | None:
    """Return a quantile of the pooled latencies of a duet; None for any other number."""
    if metric.key not in QUANTILES or not (left.duet and right.duet):
        return None
    apart = set(uneven(left, right))
    places = [place for place in left.readings if place in right.readings and place not in apart]
    both = [[arm.readings[place].trial.latency for place in places] for arm in (left, right)]
    kept = [pair for pair in zip(*both, strict=True) if all(each and each.count for each in pair)]
    if not kept:
        return None
    first, second = (
        tuple(each.histogram for each in column if each) for column in zip(*kept, strict=True)
    )
    return tails(first, second)[metric.key]


def estimate(metric: Metric, left: ArmSamples, right: ArmSamples) -> Estimate | None:
    """Compare ``metric`` within the blocks that both arms ran; None without any.

    Shares are compared by the mean of differences. Other numbers by the median of log ratios, or,
    where one of them is not above 0, by the median of differences. Within the storms of a duet the
    ratio is a geometric mean, storms weighed by how precise they are, with an interval that holds
    whenever the run was ended, and that of a tail is of all storms together.
    """
    pairs = paired(metric, left, right)
    if not pairs[0]:
        return None
    if (tail := tail_of(metric, left, right)) is not None:
        return tail.estimate
    if metric.unit is Unit.SHARE:
        return paired_difference(*pairs, mean=True)
    if min(map(min, pairs)) > 0:
        if not left.duet:
            return paired_ratio(*pairs)
        trials = (
            (arm.readings[place].trial for arm in (left, right))
            for place in _places(metric, left, right)
        )
        return sequential.paired_ratio(*pairs, [ratio_error(metric.key, *each) for each in trials])
    return paired_difference(*pairs)
