# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Collect the trials by which claims are judged, as series of one number over blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from bench.journal.schema import JournalContent, Run
from bench.judge.filing import file
from bench.judge.load import Load, load_of
from bench.judge.numbers import Take
from bench.judge.samples import ArmSamples, ExperimentSamples, Place, Stretch
from bench.linux.machine import Machine
from bench.plan.experiments import comparisons
from bench.questions.transports.profiles import PERFBUF, RINGBUF
from bench.questions.transports.summary import Filed, filed
from bench.report.document import TrialSet, pick
from bench.trial.result import State, TrialResult

_OTHERWISE: Final = {
    "lost-counts": "told",  # its name up to schema 3
    "capacity-spread": "memory-spread",  # drained every 10 ms, or of a kernel matrix
    "capacity-onecpu": "memory-onecpu",
}
"""Experiments of other journals that replace one that was not run."""


class NotMeasured(Exception):
    """Report that an arm that a rule needs has no trials."""


class NotApplicable(Exception):
    """Report that this machine or kernel lacks something; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Hold one number by run and block, of one arm or of several together."""

    experiment: str
    arms: tuple[str, ...]
    values: Mapping[Place, float]
    loads: Mapping[Place, tuple[Load, ...]] = field(default_factory=dict)

    @property
    def rests_on(self) -> tuple[TrialSet, ...]:
        """Return the trials behind the values."""
        trials = tuple(sorted(self.values))
        found = (TrialSet(experiment=self.experiment, arm=arm, trials=trials) for arm in self.arms)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Filed):
    """Hold all filed trials of one machine, and the evidence of the journals' other machines."""

    kernels: Mapping[str, bool] = field(default_factory=dict)
    """Whether the ring ran, by release of the kernels of a matrix."""
    beside: tuple[Evidence, ...] = ()
    """Evidence of all machines of the journals, this one included."""
    capabilities: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    """By transport, the fewest with which its tracer works; None: none suffice. {}: not tried."""

    def samples(self, experiment: str) -> ExperimentSamples:
        """Return the trials of an experiment or its replacement, if any."""
        found = self.experiments.get(experiment)
        found = found or self.experiments.get(_OTHERWISE.get(experiment, ""))
        return found or ExperimentSamples(name=experiment)

    def arm(
        self, experiment: str, transport: str, variant: str = "", budget: str = ""
    ) -> ArmSamples:
        """Return the arm of that transport, variant and, unless it is "", budget.

        If a budget could not be shared equally there are two: then the larger one. NotMeasured if
        it has no trials.
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
            if (name := arm.name).transport == transport
            and name.copy == 1
            and variant in (None, name.variant)
            and budget in ("", name.budget)
        ]

    def pairs(self, experiment: str) -> Iterator[tuple[str, ArmSamples, ArmSamples]]:
        """Yield the budget, the ring's arm and the perf buffers' arm with which it is compared."""
        samples = self.samples(experiment)
        for pair in comparisons(samples.names):
            if pair.left.transport == RINGBUF and not pair.left.variant:
                yield pair.left.partition("@")[2], samples.arms[pair.left], samples.arms[pair.right]


def series(experiment: str, arm: ArmSamples, take: Take) -> Series:
    """Return ``take`` of every trial of ``arm`` that has it; NotMeasured if none does."""
    values = {
        place: value for place, trial in arm.by_place.items() if (value := take(trial)) is not None
    }
    if not values:
        raise NotMeasured(experiment)
    loads = {place: (load_of(arm.by_place[place]),) for place in values}
    return Series(experiment=experiment, arms=(arm.name,), values=values, loads=loads)


def of_journals(
    content: JournalContent, machines: Iterable[Filed] | None = None
) -> tuple[Evidence, ...]:
    """Return evidence of each machine that has trials, in the order of the journals.

    ``machines`` are those of ``content``, if they have already been filed.
    """
    kernels = _kernels(content.runs)
    found = tuple(
        pick(
            Evidence,
            each,
            kernels=kernels,
            beside=(),
            capabilities=next(filter(None, (run.header.capabilities for run in each.runs)), {}),
        )
        for each in (filed(content) if machines is None else machines)
    )
    return tuple(replace(each, beside=found) for each in found)


def of_trials(trials: Iterable[TrialResult], machine: Machine | None = None) -> Evidence:
    """Return the evidence of one run, whether or not it is in a journal."""
    return Evidence(
        experiments=file((Stretch(trials=tuple(trials), machine=machine),)), machine=machine
    )


def _kernels(runs: Iterable[Run]) -> dict[str, bool]:
    """Leave out kernels with a ring whose runs ended before their first trial on it."""
    ran: dict[str, set[str]] = {}
    without = set()
    for run in runs:
        machine = run.header.machine
        ran.setdefault(machine.kernel_release, set()).update(
            trial.config.transport for trial in run.trials if trial.state is not State.INVALID
        )
        if machine.kernel_facts.get("ring_buffer", "no") == "no":
            without.add(machine.kernel_release)
    return {
        release: RINGBUF in transports
        for release, transports in ran.items()
        if RINGBUF in transports or (PERFBUF in transports and release in without)
    }
