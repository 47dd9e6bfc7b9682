# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Count each trial once, however often it was given.

A journal may be named twice, copied, compressed beside its original, or joined to its own earlier
half. Runs that share a trial, or have the same header, are one run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from itertools import chain

from bench.journal.schema import (
    Fault,
    JournalContent,
    PlaceId,
    Run,
    RunHeader,
    StoredTrials,
    TrialId,
    Trials,
)
from bench.trial.result import TrialResult


def trial_digest(trial: TrialResult) -> int:
    """Return a key that no two trials of a machine share, mainly the ns when the storm began."""
    storm = trial.storm
    times = trial.started_utc, trial.block, storm.start_ns, storm.end_ns
    return _digest(trial.experiment, str(trial.arm), *times)


def machine_digest(header: RunHeader) -> int:
    """Return a digest of host and kernel."""
    return _digest(header.machine.hostname, header.machine.kernel_release)


def place_id(trial: TrialResult) -> PlaceId:
    """Return a key that no two trials of a run share: a digest of experiment, arm and block."""
    return _digest(trial.experiment, str(trial.arm), trial.block)


def identities(run: Run) -> Sequence[TrialId]:
    """Return what identifies each trial of a run, also in a copy of another spelling."""
    if isinstance(run.trials, StoredTrials):
        return run.trials.identities()
    machine = machine_digest(run.header)
    return [machine ^ trial_digest(trial) for trial in run.trials]


def _places(trials: Trials) -> Sequence[PlaceId]:
    return trials.places() if isinstance(trials, StoredTrials) else [*map(place_id, trials)]


def _chosen(trials: Trials, rows: Sequence[int]) -> Trials:
    if len(rows) == len(trials):
        return trials
    if isinstance(trials, StoredTrials):
        return trials.having(rows)
    return tuple(trials[row] for row in rows)


def _digest(*parts: object) -> int:
    text = repr(parts).encode("utf-8", "backslashreplace")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little", signed=True)


def _joined(parts: Sequence[Trials]) -> Trials:
    first, *more = parts
    if more and isinstance(first, StoredTrials):
        return first.joined(more)
    return tuple(chain.from_iterable(parts)) if more else first


@dataclass(slots=True, eq=False)
class _Merged:
    """Hold a run, its trials apart, and what was added to it."""

    run: Run
    parts: list[Trials] = field(default_factory=list)
    places: set[PlaceId] = field(default_factory=set)

    def add_lines(self, other: Run) -> None:
        """Add the lines of ``other`` that are not trials, unless they are known."""
        memory, plans = (
            (*known, *(each for each in more if each not in known))
            for known, more in (
                (self.run.memory, other.memory),
                (self.run.plans, other.plans),
            )
        )
        self.run = replace(self.run, memory=memory, plans=plans)


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
        """Return the runs so far, in the order in which they came first."""
        return tuple(replace(each.run, trials=_joined(each.parts)) for each in self._merged)

    def take(self, run: Run) -> int:
        """Add a run. Return the index in ``runs`` of the one that it belongs to."""
        fresh: dict[TrialId, int] = {}
        owner = None
        for row, key in enumerate(identities(run)):
            if key in self._of_trial or key in fresh:
                owner = owner or self._of_trial.get(key)
                self.repeated.add(key)
            else:
                fresh[key] = row
        rows, places = [*fresh.values()], _places(run.trials)
        new = [places[row] for row in rows]
        header = header_id(run.header)
        owner = owner or self._of_header.get(header)
        if owner is None or not owner.places.isdisjoint(new):
            owner = _Merged(run)
            self._merged.append(owner)
        else:
            owner.add_lines(run)
        self._of_header.setdefault(header, owner)
        owner.parts.append(_chosen(run.trials, rows))
        owner.places.update(new)
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
    known = {key: trial for run in other.runs for key, trial in _identified(run)}
    runs = (
        replace(run, trials=tuple(each for key, each in _identified(run) if known.get(key) != each))
        for run in content.runs
    )
    return replace(content, runs=tuple(runs))


def _identified(run: Run) -> Iterator[tuple[TrialId, TrialResult]]:
    return zip(identities(run), run.trials, strict=True)


def header_id(header: RunHeader) -> str:
    """Return what a run and its copies share: its id, or the whole header if it has no id."""
    return header.run_id or json.dumps(asdict(header), sort_keys=True)
