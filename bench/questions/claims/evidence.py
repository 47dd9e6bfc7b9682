# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Evidence: the trials that claims are judged by, as series of one number over blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.journal.schema import JournalContent, Run
from bench.judge.coverage import Coverage, coverage
from bench.judge.load import Load
from bench.judge.samples import ArmSamples, ExperimentSamples, Place, Stretch, file
from bench.linux.machine import Machine
from bench.plan.experiments import ArmName
from bench.questions.claims.finding import Basis
from bench.questions.transports.profiles import PERFBUF, RINGBUF
from bench.questions.transports.summary import by_machine
from bench.trial.result import State, TrialResult

Take = Callable[[TrialResult], float | None]
"""A number of a trial; None where it has no meaning."""


_FORMERLY: Final = {"lost-counts": "told"}
"""Names that experiments had in journals up to schema 3."""


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
        """Return where the values come from."""
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
    coverage: Coverage | None = None  # None: trials that are not read from a journal

    @property
    def cpus(self) -> int | None:
        """Return how many CPUs the runs could use; None where the machine is unknown."""
        return None if self.machine is None else self.machine.cpus

    def samples(self, experiment: str) -> ExperimentSamples:
        """Return the trials of an experiment, which may be none."""
        found = self.experiments.get(experiment) or self.experiments.get(
            _FORMERLY.get(experiment, "")
        )
        return found or ExperimentSamples(name=experiment)

    def arm(
        self, experiment: str, transport: str, variant: str = "", budget: str = ""
    ) -> ArmSamples:
        """Return the arm of that transport, variant and, unless it is "", budget.

        Where a budget had to be shared unequally there are two: then the one that has more.
        NotMeasured if it has no trials.
        """
        found = self.arms(experiment, transport, variant=variant, budget=budget)
        if not found:
            raise NotMeasured(experiment)
        return found[-1]

    def arms(
        self, experiment: str, transport: str, *, variant: str | None = None, budget: str = ""
    ) -> list[ArmSamples]:
        """Return all arms of a transport that have trials, without A/A twins."""
        return [
            arm
            for arm in self.samples(experiment).arms.values()
            if (name := ArmName.parse(arm.name)).transport == transport
            and name.copy == 1
            and variant in (None, name.variant)
            and budget in ("", name.budget)
        ]

    def invalid(self, experiment: str, transport: str) -> list[TrialResult]:
        """Return the trials of a transport that are no result."""
        every = self.samples(experiment).invalid
        return [trial for trial in every if trial.config.transport == transport]


def series(experiment: str, arm: ArmSamples, take: Take) -> Series:
    """Return ``take`` of every trial of ``arm`` that has it; NotMeasured if none does."""
    values = {
        place: value
        for place, reading in arm.readings.items()
        if (value := take(reading.trial)) is not None
    }
    if not values:
        raise NotMeasured(experiment)
    loads = {place: (arm.readings[place].load,) for place in values}
    return Series(experiment=experiment, arms=(arm.name,), values=values, loads=loads)


def bases(arms: Iterable[tuple[str, ArmSamples]]) -> tuple[Basis, ...]:
    """Return every trial of ``arms``, each with its experiment, as what a finding rests on."""
    return tuple(
        Basis(experiment=name, arm=arm.name, trials=tuple(sorted(arm.readings)))
        for name, arm in arms
    )


def of_journals(content: JournalContent) -> tuple[Evidence, ...]:
    """Return evidence of each machine that has trials, in the order of the journals."""
    kernels = _kernels(content.runs)
    return tuple(
        Evidence(
            experiments=file(
                Stretch(trials=run.trials, machine=run.header.machine) for run in group
            ),
            machine=group[0].header.machine,
            kernels=kernels,
            coverage=coverage(group, content.repeated),
        )
        for group in by_machine(content)
        if any(run.trials for run in group)
    )


def of_trials(trials: Iterable[TrialResult], machine: Machine | None = None) -> Evidence:
    """Return the evidence of one run, whether or not it is in a journal."""
    return Evidence(
        experiments=file((Stretch(trials=tuple(trials), machine=machine),)), machine=machine
    )


def _kernels(runs: Iterable[Run]) -> tuple[Kernel, ...]:
    counts: dict[str, dict[str, int]] = {}
    without: set[str] = set()
    for run in runs:
        if run.header.machine.kernel_facts.get("ring_buffer", "no") == "no":
            without.add(run.header.machine.kernel_release)
        of_kernel = counts.setdefault(run.header.machine.kernel_release, {})
        for trial in run.trials:
            if trial.state is not State.INVALID:
                transport = trial.config.transport
                of_kernel[transport] = of_kernel.get(transport, 0) + 1
    return tuple(
        Kernel(
            release=release,
            ring_trials=of_kernel.get(RINGBUF, 0),
            perf_trials=of_kernel.get(PERFBUF, 0),
        )
        for release, of_kernel in counts.items()
        # A run that ended before its first trial on the ring says nothing of it.
        if of_kernel.get(RINGBUF) or (of_kernel.get(PERFBUF) and release in without)
    )
