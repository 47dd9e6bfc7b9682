# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Summarise trials: everything that a report shows, computed once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.journal.distinct import distinct
from bench.journal.reader import Line, gather, read, with_trials
from bench.journal.schema import Fault, JournalContent, Run
from bench.judge.columns import columns_of
from bench.judge.comparison import (
    Comparison,
    Consumers,
    Unequal,
    compare_arms,
    compare_consumers,
    unequal_loads,
)
from bench.judge.filing import file
from bench.judge.floor import Floor, noise_floors
from bench.judge.ladder import Ladder, ladders
from bench.judge.samples import ArmSamples, ExperimentSamples, Stretch
from bench.judge.sums import OrderRestored, Torn, restored, torn
from bench.linux.machine import Machine
from bench.plan.config import TrialConfig
from bench.plan.experiments import BASELINES
from bench.questions.transports.coverage import PlanData, coverage
from bench.questions.transports.standing import Standing, standings
from bench.report.document import pick
from bench.trial.result import State, TrialResult

Places = Mapping[int, Line]
"""The journal line of each trial, by its id()."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Count an experiment's trials in each state."""

    experiment: str
    valid: int
    noisy: int
    disturbed: int
    invalid: int
    reduced: int

    @property
    def trials(self) -> int:
        """Return how many trials the experiment has."""
        return sum(getattr(self, state) for state in State)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Name a trial that is not used for any number, and why."""

    experiment: str
    arm: str
    block: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """Hold the trials of one machine, filed."""

    machine: Machine | None = None
    experiments: Mapping[str, ExperimentSamples]
    coverage: PlanData | None = None  # None: trials that are not from a journal
    runs: tuple[Run, ...] = ()

    @property
    def counted(self) -> bool:
        """Return whether times are executed instructions."""
        return self.machine is not None and self.machine.counts_instructions


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(Filed):
    """Hold all comparisons of one machine."""

    profiles: tuple[str, ...]  # of its runs, "" for single experiments
    seeds: tuple[int, ...]
    tallies: tuple[Tally, ...]
    invalid: tuple[TrialResult, ...]  # named in reports, in nothing else
    comparisons: tuple[Comparison, ...]
    consumers: tuple[Consumers, ...]  # several against one, on the same buffers
    standings: tuple[Standing, ...]
    ladders: tuple[Ladder, ...]
    floors: tuple[Floor, ...]
    reduced: tuple[TrialResult, ...]  # compared with nothing
    unequal: tuple[Unequal, ...]  # pairs of arms that were not compared in some blocks
    torn: tuple[Torn, ...]  # of the arms that check their records
    restored: tuple[OrderRestored, ...]  # of the arms with a buffer for each CPU
    faults: tuple[Fault, ...] = ()  # lines of journals that could not be used

    @property
    def trials(self) -> int:
        """Return how many trials there are, invalid ones included."""
        return sum(tally.trials for tally in self.tallies)

    def arms(self, experiment: str) -> Mapping[str, ArmSamples]:
        """Return the arms of an experiment by name; none if it was not run."""
        samples = self.experiments.get(experiment)
        return {} if samples is None else samples.arms

    def tracing_arms(self) -> Iterator[tuple[str, ArmSamples]]:
        """Yield experiment and arm of all with a transport, except second names of A/A pairs."""
        for samples in self.experiments.values():
            for arm in samples.arms.values():
                if arm.name.transport not in BASELINES and arm.name.copy == 1 and len(arm):
                    yield samples.name, arm


def _summarise(of: Filed, faults: tuple[Fault, ...] = ()) -> Summary:
    experiments = tuple(of.experiments.values())
    floors = noise_floors(of.experiments)
    comparisons = tuple(each for samples in experiments for each in compare_arms(samples, floors))
    return pick(
        Summary,
        of,
        profiles=tuple(dict.fromkeys(run.header.profile for run in of.runs)),
        seeds=tuple(dict.fromkeys(run.header.seed for run in of.runs)),
        tallies=tuple(
            Tally(experiment=each.name, **{state: each.states.get(state, 0) for state in State})
            for each in experiments
        ),
        invalid=tuple(trial for samples in experiments for trial in samples.invalid),
        comparisons=comparisons,
        consumers=tuple(each for e in experiments for each in compare_consumers(e, floors)),
        standings=standings(comparisons),
        ladders=ladders(of.experiments),
        floors=floors,
        reduced=tuple(trial for samples in experiments for trial in samples.reduced),
        unequal=tuple(each for samples in experiments for each in unequal_loads(samples)),
        torn=tuple(each for samples in experiments for each in torn(samples)),
        restored=tuple(each for samples in experiments for each in restored(samples)),
        faults=faults,
    )


def compare(trials: Iterable[TrialResult], machine: Machine | None = None) -> Summary:
    """Summarise one run's trials. Without ``machine`` nothing is net of wake-ups."""
    stretch = Stretch(trials=tuple(trials), machine=machine)
    return _summarise(Filed(machine=machine, experiments=file((stretch,))))


def compare_journals(content: JournalContent) -> tuple[Summary, ...]:
    """Return one summary for every machine and kernel, in the journal's order.

    The journals' faults are in the first summary.
    """
    return tuple(
        _summarise(each, () if at else content.faults) for at, each in enumerate(filed(content))
    )


def gathered(paths: Iterable[Path]) -> tuple[JournalContent, Places]:
    """Read journals as one, with the line of each trial; JournalError if there is no trial."""
    journals = list(paths)
    found = [list(read(path)) for path in journals]
    return with_trials(distinct([gather(lines) for lines in found]), journals), {
        id(line.value): line for lines in found for line in lines if isinstance(line, Line)
    }


def filed(content: JournalContent) -> Iterator[Filed]:
    """File the trials of every machine and kernel that has any, in the journals' order.

    Runs of one machine are pooled, unless one name means two configurations in them.
    """
    for group in by_machine(content):
        if any(run.trials for run in group):
            stretches = (Stretch(trials=e.trials, machine=e.header.machine) for e in group)
            yield Filed(
                machine=group[0].header.machine,
                experiments=file(stretches),
                coverage=coverage(group, content.repeated),
                runs=tuple(group),
            )


def by_machine(content: JournalContent) -> list[list[Run]]:
    """Group runs of one machine and kernel that agree on the meaning of every name."""
    groups: list[list[Run]] = []
    of_machine = defaultdict[str, list[tuple[list[Run], dict[tuple[str, str], TrialConfig]]]](list)
    for run in content.runs:
        # Every run measures the cost again.
        plain = asdict(replace(run.header.machine, wakeup_cost_ns=None))
        alike, means = of_machine[json.dumps(plain, sort_keys=True)], dict(_meanings(run))
        agreeing = (
            each for each in alike if all(each[1].get(name, to) == to for name, to in means.items())
        )
        runs, known = next(agreeing, ([], {}))
        if not runs:
            alike.append((runs, known))
            groups.append(runs)
        runs.append(run)
        known |= means
    return groups


def _meanings(run: Run) -> Iterator[tuple[tuple[str, str], TrialConfig]]:
    """Yield each experiment and arm with its last configuration."""
    columns = columns_of(run.trials)
    places, configs = columns.configs()
    for experiment, arm, rows in columns.arms():
        yield (experiment, arm), configs[places[rows[-1]]]
