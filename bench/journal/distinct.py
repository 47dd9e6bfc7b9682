# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Count each trial once, however often it was given.

A journal may be named twice, copied, compressed beside its original, or joined to its own earlier
half. Runs that share a trial, or have the same header, are one run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from bench.journal.schema import Fault, JournalContent, Run, RunHeader, TrialId
from bench.trial.result import TrialResult

_Value = TypeVar("_Value")


def trial_id(run: Run, trial: TrialResult) -> TrialId:
    """Return what identifies ``trial``, also in a copy that was compressed or written anew."""
    return (
        run.header.machine.hostname,
        run.header.machine.kernel_release,
        trial.experiment,
        trial.arm,
        trial.started_utc,
        trial.block,
        trial.storm.start_ns,
        trial.storm.end_ns,
    )


@dataclass(slots=True, eq=False)
class _Merged:
    """A run and what was added to it."""

    run: Run
    trials: list[TrialResult] = field(default_factory=list)
    places: set[tuple[str, str, int]] = field(default_factory=set)

    def fits(self, trials: Iterable[TrialResult]) -> bool:
        """Return whether no trial of another identity is in one of their places."""
        return self.places.isdisjoint(_place(each) for each in trials)

    def add(self, trials: Iterable[TrialResult]) -> None:
        for each in trials:
            self.trials.append(each)
            self.places.add(_place(each))

    def add_lines(self, other: Run) -> None:
        """Add the lines of ``other`` that are no trials, unless they are known."""
        self.run = replace(
            self.run,
            memory=_joined(self.run.memory, other.memory),
            plans=_joined(self.run.plans, other.plans),
        )


class Distinct:
    """Collect runs from several sources; each trial counts where it came first."""

    def __init__(self) -> None:
        self._merged: list[_Merged] = []
        self._of_trial: dict[TrialId, _Merged] = {}
        self._of_header: dict[str, _Merged] = {}
        self.repeated: set[TrialId] = set()
        """Trials that came more than once."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs so far, in the order in which they came first."""
        return tuple(replace(each.run, trials=tuple(each.trials)) for each in self._merged)

    def take(self, run: Run) -> int:
        """Add a run. Return the index in ``runs`` of the one that it belongs to."""
        fresh: dict[TrialId, TrialResult] = {}
        owner = None
        for trial in run.trials:
            key = trial_id(run, trial)
            if key in self._of_trial or key in fresh:
                owner = owner or self._of_trial.get(key)
                self.repeated.add(key)
            else:
                fresh[key] = trial
        header = header_id(run.header)
        owner = owner or self._of_header.get(header)
        if owner is None or not owner.fits(fresh.values()):
            owner = _Merged(run)
            self._merged.append(owner)
        else:
            owner.add_lines(run)
        self._of_header.setdefault(header, owner)
        owner.add(fresh.values())
        self._of_trial |= dict.fromkeys(fresh, owner)
        return self._merged.index(owner)


def distinct(contents: Iterable[JournalContent]) -> JournalContent:
    """Join journals, with each trial once; ``repeated`` names those that came more than once."""
    found = Distinct()
    faults: list[Fault] = []
    for content in contents:
        for run in content.runs:
            found.take(run)
        faults += content.faults
        found.repeated |= content.repeated
    return JournalContent(runs=found.runs, faults=tuple(faults), repeated=frozenset(found.repeated))


def without(content: JournalContent, other: JournalContent) -> JournalContent:
    """Return ``content`` without the trials that ``other`` holds too, unaltered."""
    known = {trial_id(run, trial): trial for run in other.runs for trial in run.trials}
    runs = tuple(
        replace(
            run,
            trials=tuple(each for each in run.trials if known.get(trial_id(run, each)) != each),
        )
        for run in content.runs
    )
    return replace(content, runs=runs)


def _place(trial: TrialResult) -> tuple[str, str, int]:
    return trial.experiment, trial.arm, trial.block


def header_id(header: RunHeader) -> str:
    """Return what a run and its copies share: its id, or all of a header that has none."""
    return header.run_id or json.dumps(asdict(header), sort_keys=True)


def _joined(known: tuple[_Value, ...], more: tuple[_Value, ...]) -> tuple[_Value, ...]:
    return (*known, *(each for each in more if each not in known))
