# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a page is made from: each machine's summary, its runs, and where their trials stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import JournalError
from bench.journal.distinct import distinct
from bench.journal.reader import Line, gather, read
from bench.journal.schema import JournalContent, Run
from bench.judge.samples import ExperimentSamples
from bench.questions.transports.summary import Summary, by_machine, compare_journals
from bench.trial.result import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a trial stands."""

    path: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One machine and kernel."""

    summary: Summary
    runs: tuple[Run, ...]
    places: Mapping[int, Place]  # by the identity of a trial

    @property
    def experiments(self) -> Mapping[str, ExperimentSamples]:
        """The trials by experiment and arm."""
        return self.summary.experiments

    def place(self, trial: TrialResult) -> Place | None:
        """Return where ``trial`` stands; None if it comes from no file."""
        return self.places.get(id(trial))


def gathered(paths: Iterable[Path]) -> tuple[JournalContent, dict[int, Place]]:
    """Read journals as one, and where each trial stands. JournalError if none can be."""
    places: dict[int, Place] = {}
    contents: list[JournalContent] = []
    for path in paths:
        lines = list(read(path))
        for line in lines:
            if isinstance(line, Line) and isinstance(line.value, TrialResult):
                places[id(line.value)] = Place(path=line.path, line=line.number)
        contents.append(gather(lines))
    content = distinct(contents)
    if not content.trials:
        why = f": {content.faults[0]}" if content.faults else ""
        raise JournalError(f"no trial to report on{why}")
    return content, places


def materials(
    content: JournalContent, places: Mapping[int, Place] | None = None
) -> tuple[Material, ...]:
    """Return one for every machine and kernel, in the order of the journals."""
    groups = [group for group in by_machine(content) if any(run.trials for run in group)]
    return tuple(
        Material(summary=summary, runs=tuple(group), places=places or {})
        for group, summary in zip(groups, compare_journals(content), strict=True)
    )
