# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make a row for each kernel, in the order of versions: its measurements, or why there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench.errors import UsageError
from bench.guests.machines import named, of_family
from bench.journal.schema import JournalContent
from bench.judge.memory import JudgedMemory, latest
from bench.linux.machine import Machine
from bench.linux.version import KernelVersion
from bench.questions.claims.catalogue import Judged, of_machines
from bench.questions.kernels.folders import Entry
from bench.questions.transports.summary import Summary
from bench.report.document import pick
from bench.trial.result import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Hold the judged measurements of one kernel."""

    machine: Machine
    summary: Summary
    claims: Judged

    @property
    def memory(self) -> tuple[JudgedMemory, ...]:
        """Return what instruments say of each transport and budget."""
        return latest(line for run in self.summary.runs for line in run.memory)

    def trials(self) -> Iterator[TrialResult]:
        """Yield every trial that is judged, except those that provoke torn records."""
        for samples in self.claims.evidence.experiments.values():
            for arm in samples.arms.values():
                if not arm.held_up:
                    yield from arm.trials


@dataclass(frozen=True, kw_only=True)
class KernelRow(Entry):
    """Hold one kernel on one machine; no two rows have the same label."""

    result: Result | None = None  # None: not one trial

    @property
    def trials(self) -> tuple[TrialResult, ...]:
        """Return every trial of its journals."""
        runs = self.result.summary.runs if self.result is not None else ()
        return tuple(trial for run in runs for trial in run.trials)

    @cached_property
    def version(self) -> KernelVersion | None:
        """Return the version of the release, else of the label; None if neither is one."""
        return _parsed(self.release) or _parsed(self.label)

    @property
    def flavour(self) -> str:
        """Return "rt", "cloud" ...; "" for the usual one."""
        return self.version.flavour if self.version is not None else ""

    @property
    def architecture(self) -> str:
        """Return its architecture: from its journal, else from its release or its label."""
        recorded = self.result.machine.architecture if self.result is not None else ""
        return of_family(recorded) or named(self.release) or named(self.label)

    @property
    def line(self) -> tuple[str, str]:
        """Return what kernels must share to be compared: architecture and flavour."""
        return self.architecture, self.flavour

    @property
    def emulated(self) -> bool:
        """Return whether its CPU was emulated: then times mean nothing outside the guest."""
        return self.result is not None and self.result.machine.emulated

    @property
    def counted(self) -> bool:
        """Return whether its times are executed instructions."""
        return self.result is not None and self.result.machine.counts_instructions


def rows(entries: Sequence[Entry]) -> tuple[KernelRow, ...]:
    """Return all kernels, older ones first; flavours of a series after its usual kernel.

    Journals of one kernel on one machine are pooled, block by block.
    """
    owners = {id(run): entry for entry in entries for run in entry.content.runs}
    content = JournalContent(
        runs=tuple(run for entry in entries for run in entry.content.runs),
        faults=tuple(fault for entry in entries for fault in entry.content.faults),
        repeated=frozenset().union(*(entry.content.repeated for entry in entries)),
    )
    found = []
    served: set[int] = set()
    for summary, judged in of_machines(content):
        group = summary.runs
        served |= {id(owners[id(run)]) for run in group}
        machine = group[0].header.machine
        result = Result(machine=machine, summary=summary, claims=judged)
        found.append(_row(owners[id(group[-1])], machine.kernel_release, result=result))
    for entry in entries:
        if id(entry) not in served:
            runs, faults = entry.content.runs, entry.content.faults
            begun = runs[-1].header.machine.kernel_release if runs else ""
            reason = entry.reason or (str(faults[0]) if faults else "its journal holds no trial")
            found.append(_row(entry, begun or entry.release, reason=reason))
    return tuple(sorted(_named_apart(found), key=_order))


def _row(entry: Entry, release: str, **given: object) -> KernelRow:
    version = _parsed(release)
    short = release if version is None else f"{version.series}-{version.flavour}".rstrip("-")
    label = entry.label or short or entry.path
    defaults = {"result": None, "release": release, "label": label}
    return pick(KernelRow, entry, **defaults | given)


def _parsed(release: str) -> KernelVersion | None:
    try:
        return KernelVersion.parse(release)
    except UsageError:
        return None


def _named_apart(found: Sequence[KernelRow]) -> Sequence[KernelRow]:
    """Replace a label of two rows by the release, then by the path, then by a number."""
    for name in (
        lambda row, _: row.release or row.label,
        lambda row, _: row.path,
        lambda row, at: f"{row.label} #{at + 1}",
    ):
        taken = Counter(row.label for row in found)
        found = [
            replace(row, label=name(row, at)) if taken[row.label] > 1 else row
            for at, row in enumerate(found)
        ]
    return found


def _order(row: KernelRow) -> tuple[object, ...]:
    if (version := row.version) is None:
        return (1, row.label)
    # A flavour may come from another update of the series than the usual kernel.
    return (0, version.numbers[:2], version.flavour, version, row.label)
