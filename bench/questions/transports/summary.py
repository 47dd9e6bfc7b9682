# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The summary of what was measured: everything that a report shows, computed once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from bench.journal.schema import Fault, JournalContent, Run
from bench.judge.comparison import Comparison, Unequal, compare_arms, unequal_loads
from bench.judge.coverage import Coverage, coverage
from bench.judge.floor import Floor, noise_floors
from bench.judge.ladder import Ladder, ladders
from bench.judge.samples import ExperimentSamples, Stretch, file
from bench.linux.machine import Machine
from bench.plan.config import TrialConfig
from bench.questions.transports.standing import Standing, standings
from bench.trial.result import State, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many trials of an experiment there are of each state."""

    experiment: str
    valid: int
    noisy: int
    disturbed: int
    invalid: int
    reduced: int = 0

    @property
    def trials(self) -> int:
        """All trials of the experiment."""
        return self.valid + self.noisy + self.disturbed + self.invalid + self.reduced


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All comparisons of one machine."""

    machine: Machine | None
    profiles: tuple[str, ...]  # of the runs that it rests on, "" for single experiments
    seeds: tuple[int, ...]
    tallies: tuple[Tally, ...]
    invalid: tuple[TrialResult, ...]  # named in reports, in nothing else
    comparisons: tuple[Comparison, ...]
    standings: tuple[Standing, ...]
    ladders: tuple[Ladder, ...]
    floors: tuple[Floor, ...]
    experiments: Mapping[str, ExperimentSamples]  # that all this was computed from
    reduced: tuple[TrialResult, ...] = ()  # compared with nothing
    unequal: tuple[Unequal, ...] = ()  # pairs of arms that were not compared in some blocks
    faults: tuple[Fault, ...] = ()  # lines of journals that could not be used
    coverage: Coverage | None = None  # None: of trials that need not stand in a journal

    @property
    def trials(self) -> int:
        """All trials, invalid ones included."""
        return sum(tally.trials for tally in self.tallies)


def _tally(samples: ExperimentSamples) -> Tally:
    return Tally(
        experiment=samples.name,
        valid=samples.states.get(State.VALID, 0),
        noisy=samples.states.get(State.NOISY, 0),
        disturbed=samples.states.get(State.DISTURBED, 0),
        invalid=samples.states.get(State.INVALID, 0),
        reduced=samples.states.get(State.REDUCED, 0),
    )


def _summarise(
    stretches: Sequence[Stretch], *, profiles: tuple[str, ...] = (), seeds: tuple[int, ...] = ()
) -> Summary:
    experiments = file(stretches)
    floors = noise_floors(experiments)
    comparisons = tuple(
        comparison
        for samples in experiments.values()
        for comparison in compare_arms(samples, floors)
    )
    return Summary(
        machine=stretches[0].machine if stretches else None,
        profiles=profiles,
        seeds=seeds,
        tallies=tuple(_tally(samples) for samples in experiments.values()),
        invalid=tuple(trial for samples in experiments.values() for trial in samples.invalid),
        comparisons=comparisons,
        standings=standings(comparisons),
        ladders=ladders(experiments),
        floors=floors,
        experiments=experiments,
        reduced=tuple(trial for samples in experiments.values() for trial in samples.reduced),
        unequal=tuple(each for samples in experiments.values() for each in unequal_loads(samples)),
    )


def compare(trials: Iterable[TrialResult], machine: Machine | None = None) -> Summary:
    """Summarise one run's trials. Without ``machine`` nothing is net of wake-ups."""
    return _summarise((Stretch(trials=tuple(trials), machine=machine),))


def compare_journals(content: JournalContent) -> tuple[Summary, ...]:
    """Return one summary for every machine and kernel, in the journal's order.

    Runs of one machine are taken together, block beside block, unless they gave one name to two
    configurations. The journals' faults stand in the first summary.
    """
    summaries = [
        replace(
            _summarise(
                tuple(Stretch(trials=run.trials, machine=run.header.machine) for run in group),
                profiles=tuple(dict.fromkeys(run.header.profile for run in group)),
                seeds=tuple(dict.fromkeys(run.header.seed for run in group)),
            ),
            coverage=coverage(group, content.repeated),
        )
        for group in by_machine(content)
        if any(run.trials for run in group)
    ]
    if summaries:
        summaries[0] = replace(summaries[0], faults=content.faults)
    return tuple(summaries)


def by_machine(content: JournalContent) -> list[list[Run]]:
    """Group runs of one machine and kernel that agree on what every name means."""
    groups: list[_Group] = []
    of_machine: dict[str, list[_Group]] = {}
    for run in content.runs:
        alike = of_machine.setdefault(_same(run.header.machine), [])
        group = next((each for each in alike if each.agrees_with(run)), None)
        if group is None:
            group = _Group()
            alike.append(group)
            groups.append(group)
        group.take(run)
    return [group.runs for group in groups]


def _same(machine: Machine) -> str:
    """Return what is equal for machines that are one."""
    plain = replace(machine, wakeup_cost_ns=None)  # measured anew by every run
    return json.dumps(asdict(plain), sort_keys=True)


@dataclass(slots=True)
class _Group:
    """Runs of one machine, and what their names mean."""

    runs: list[Run] = field(default_factory=list)
    _known: dict[tuple[str, str], TrialConfig] = field(default_factory=dict)

    def agrees_with(self, run: Run) -> bool:
        return all(
            self._known.get((trial.experiment, trial.arm), trial.config) == trial.config
            for trial in run.trials
        )

    def take(self, run: Run) -> None:
        self.runs.append(run)
        self._known |= {(trial.experiment, trial.arm): trial.config for trial in run.trials}
