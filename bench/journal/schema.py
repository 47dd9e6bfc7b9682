# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the lines of a journal as values; docs/record-format.md describes them.

History of ``SCHEMA``:
    1  the first
    2  lines of kind "memory" and "health"; a trial's memory has no memcg any more
    3  a machine's scheduling, its lists of online and usable CPUs and its CPU quota; what a run
       left out; a run has an id and a plan, and lines of kind "plan" add to it;
       trials of state "reduced", what a storm had at once, and what others used;
       a cost's wakeups_taken without its empty_polls; a trial's "late"; duets: a configuration's
       "duet", a trial's "write" and "half"; idle states, frequency, storms to warm up, a cost's
       steady middle; a producer's attach, checked, scratch and mix, a ledger's torn; a trial's
       "restored", then with fixed hold-backs; a run's capabilities; a consumer's command, and
       libbpf as its reader; a latency's error
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

from bench.linux.machine import Machine
from bench.plan.experiments import Outline
from bench.record.footprint import MemoryLine
from bench.trial.result import TrialResult

SCHEMA: Final = 3
LONGEST_LINE_BYTES: Final = 4 * 1024 * 1024
"""A longer line is foreign: a trial's takes some kilobytes, most of them its histogram."""


class Kind(StrEnum):
    """Name the kind of a line."""

    MACHINE = "machine"
    TRIAL = "trial"
    MEMORY = "memory"
    HEALTH = "health"
    PLAN = "plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """Hold the line that a run begins with: where, by which command, and from which seed."""

    machine: Machine
    command_line: tuple[str, ...]
    profile: str  # its name, or "" for a run of a single experiment
    seed: int
    started_utc: str  # ISO 8601
    resumed: bool = False  # continues the run before it in the same journal
    left_out: tuple[str, ...] = ()  # what the plan had to leave out on this machine, in words
    run_id: str = ""  # random; a run that is resumed keeps it; "": not recorded
    plan: Outline | None = None  # None: not recorded
    warm_up_ns: tuple[float, ...] = ()  # a process in each bare storm before the first trial
    # The fewest with which each transport's tracer works; None: with none. {}: not tried.
    capabilities: dict[str, tuple[str, ...] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused:
    """Stand for a line of kind "health", which soaks wrote up to schema 3: it is skipped."""


Value = RunHeader | TrialResult | MemoryLine | Unused | Outline
VALUES: Final[dict[Kind, type[Value]]] = {
    Kind.MACHINE: RunHeader,
    Kind.TRIAL: TrialResult,
    Kind.MEMORY: MemoryLine,
    Kind.HEALTH: Unused,
    Kind.PLAN: Outline,
}

TrialId = int
PlaceId = int
"""Digests: bench/journal/distinct.py."""


@runtime_checkable
class StoredTrials(Protocol):
    """Represent a sequence of trials that are read from the disk only on demand."""

    def identities(self) -> Sequence[TrialId]:
        """Return what identifies each trial."""

    def places(self) -> Sequence[PlaceId]:
        """Return what no two trials of a run share."""

    def having(self, rows: Sequence[int]) -> Trials:
        """Return some of the trials."""

    def joined(self, others: Iterable[Trials]) -> Trials:
        """Return these and the trials of ``others``, which are stored too."""


Trials = Sequence[TrialResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Hold one run and its trials, in the order in which they ended."""

    header: RunHeader
    trials: Trials
    memory: tuple[MemoryLine, ...] = ()
    plans: tuple[Outline, ...] = ()  # of the header, of those that resumed it, and lines between


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Describe a line that could not be used, and why."""

    path: str
    line: int  # from 1
    reason: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContent:
    """Hold the runs that could be read, and the lines that could not."""

    runs: tuple[Run, ...]
    faults: tuple[Fault, ...]
    repeated: frozenset[TrialId] = frozenset()  # given more than once; in ``runs`` they are once

    @property
    def trials(self) -> tuple[TrialResult, ...]:
        """Return the trials of all runs."""
        return tuple(trial for run in self.runs for trial in run.trials)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)
