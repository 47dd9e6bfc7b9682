# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Evidence: the trials that claims are judged by, as series of one number over blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.judge.coverage import Coverage
from bench.judge.load import Load
from bench.judge.samples import ArmSamples, ExperimentSamples, Place
from bench.linux.machine import Machine
from bench.plan.experiments import ArmName
from bench.questions.claims.finding import Basis
from bench.trial.result import TrialResult

Take = Callable[[TrialResult], float | None]
"""A number of a trial; None where it has no meaning."""


class NotMeasured(Exception):
    """An arm that a rule needs has no trials."""


class NotApplicable(Exception):
    """What this machine or kernel lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One number by run and block, of one arm or taken from several together."""

    experiment: str
    arms: tuple[str, ...]
    values: Mapping[Place, float]
    loads: Mapping[Place, tuple[Load, ...]] = field(default_factory=dict)

    @property
    def rests_on(self) -> tuple[Basis, ...]:
        """Where the values come from."""
        trials = tuple(sorted(self.values))
        return tuple(Basis(experiment=self.experiment, arm=arm, trials=trials) for arm in self.arms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What one kernel of a matrix did with the ring buffer."""

    release: str
    ring_trials: int  # that were valid
    perf_trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All trials of one machine, filed; the kernels of all journals beside it."""

    experiments: Mapping[str, ExperimentSamples]
    machine: Machine | None = None
    kernels: tuple[Kernel, ...] = field(default=())
    coverage: Coverage | None = None  # None: of trials that need not stand in a journal

    @property
    def cpus(self) -> int | None:
        """CPUs that the runs could use; None where nothing is known of the machine."""
        return None if self.machine is None else self.machine.cpus

    def ran(self, experiment: str) -> bool:
        """Whether there is any trial of it."""
        return experiment in self.experiments

    def arm(
        self, experiment: str, transport: str, variant: str = "", budget: str = ""
    ) -> ArmSamples:
        """The arm of that transport, variant and, unless it is "", budget. NotMeasured if none.

        Where a budget had to be shared unequally there are two: then the one that has more.
        """
        found = self.arms(experiment, transport, variant=variant, budget=budget)
        if not found:
            raise NotMeasured(experiment)
        return found[-1]

    def arms(
        self, experiment: str, transport: str, *, variant: str | None = None, budget: str = ""
    ) -> list[ArmSamples]:
        """All arms of a transport that have trials, A/A twins left out."""
        samples = self.experiments.get(experiment)
        if samples is None:
            return []
        found = []
        for arm in samples.arms.values():
            name = ArmName.parse(arm.name)
            if (
                name.transport == transport
                and name.copy == 1
                and variant in (None, name.variant)
                and budget in ("", name.budget)
            ):
                found.append(arm)
        return found

    def reduced(self, experiment: str) -> list[TrialResult]:
        """Return the trials whose storms were not the ones asked for."""
        samples = self.experiments.get(experiment)
        return samples.reduced if samples is not None else []

    def invalid(self, experiment: str, transport: str) -> list[TrialResult]:
        """Trials of a transport that are no result."""
        samples = self.experiments.get(experiment)
        every = samples.invalid if samples is not None else []
        return [trial for trial in every if trial.config.transport == transport]


def series(experiment: str, arm: ArmSamples, take: Take) -> Series:
    """``take`` of every trial of ``arm`` that tells it. NotMeasured if none does."""
    values = {
        place: value
        for place, reading in arm.readings.items()
        if (value := take(reading.trial)) is not None
    }
    if not values:
        raise NotMeasured(experiment)
    loads = {place: (arm.readings[place].load,) for place in values}
    return Series(experiment=experiment, arms=(arm.name,), values=values, loads=loads)
