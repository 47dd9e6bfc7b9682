# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A row for each kernel, in the order of versions: what its guest measured, or why it did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench.errors import UsageError
from bench.journal.schema import JournalContent, Run
from bench.judge.memory import Judged as JudgedMemory
from bench.judge.memory import latest
from bench.linux.machine import Machine
from bench.linux.version import KernelVersion
from bench.questions.claims.catalogue import Judged, judge
from bench.questions.claims.evidence import Evidence
from bench.questions.claims.journals import of_journals
from bench.questions.kernels.folders import Entry
from bench.questions.transports.summary import Summary, by_machine, compare_journals
from bench.trial.result import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one kernel's trials say."""

    machine: Machine
    summary: Summary
    evidence: Evidence
    claims: Judged
    memory: tuple[JudgedMemory, ...]


@dataclass(frozen=True, kw_only=True)
class KernelRow:
    """One kernel on one machine."""

    label: str  # short: "6.12-rt"
    release: str  # "" where it never booted
    status: str
    reason: str  # why it has no result, or not all of it
    notes: tuple[str, ...]  # what there was no time for; complaints of the kernel
    place: str  # folder or journal
    result: Result | None  # None: not one trial
    trials: tuple[TrialResult, ...] = ()  # all that its journals hold

    @cached_property
    def version(self) -> KernelVersion | None:
        """Of the release, else of the label; None where neither is one."""
        for text in (self.release, self.label):
            try:
                return KernelVersion.parse(text)
            except UsageError:
                continue
        return None

    @property
    def flavour(self) -> str:
        """ "rt", "cloud" ...; "" for the usual one."""
        return self.version.flavour if self.version is not None else ""

    @property
    def emulated(self) -> bool:
        """Whether its CPU was emulated: then times mean nothing but within the guest."""
        return self.result is not None and self.result.machine.emulated


def rows(entries: Sequence[Entry]) -> tuple[KernelRow, ...]:
    """Return all kernels, older ones first; flavours of a series behind its usual kernel.

    Journals of one kernel on one machine are taken together, block beside block.
    """
    owners = {id(run): entry for entry in entries for run in entry.content.runs}
    content = JournalContent(
        runs=tuple(run for entry in entries for run in entry.content.runs),
        faults=tuple(fault for entry in entries for fault in entry.content.faults),
        repeated=frozenset().union(*(entry.content.repeated for entry in entries)),
    )
    found = []
    served: set[int] = set()
    groups = [group for group in by_machine(content) if any(run.trials for run in group)]
    for group, summary, evidence in zip(
        groups, compare_journals(content), of_journals(content), strict=True
    ):
        owner = owners[id(group[-1])]
        served |= {id(owners[id(run)]) for run in group}
        found.append(_measured(owner, group, summary, evidence))
    found += [_empty(entry) for entry in entries if id(entry) not in served]
    return tuple(sorted(_named_apart(found), key=_order))


def _measured(
    owner: Entry, group: Sequence[Run], summary: Summary, evidence: Evidence
) -> KernelRow:
    machine = group[0].header.machine
    return KernelRow(
        label=owner.label or short(machine.kernel_release),
        release=machine.kernel_release,
        status=owner.status,
        reason=owner.reason,
        notes=owner.notes,
        place=owner.path,
        trials=tuple(trial for run in group for trial in run.trials),
        result=Result(
            machine=machine,
            summary=summary,
            evidence=evidence,
            claims=judge(evidence),
            memory=latest(line for run in group for line in run.memory),
        ),
    )


def _empty(entry: Entry) -> KernelRow:
    fault = str(entry.content.faults[0]) if entry.content.faults else ""
    begun = entry.content.runs[-1].header.machine.kernel_release if entry.content.runs else ""
    return KernelRow(
        label=entry.label or short(begun) or entry.path,
        release=begun or entry.release,
        status=entry.status,
        reason=entry.reason or fault or "its journal holds no trial",
        notes=entry.notes,
        place=entry.path,
        result=None,
    )


def short(release: str) -> str:
    """Shorten "6.12.117+deb13-rt-amd64" to "6.12-rt"; other text stays."""
    try:
        version = KernelVersion.parse(release)
    except UsageError:
        return release
    return f"{version.series}-{version.flavour}" if version.flavour else version.series


def _named_apart(found: Sequence[KernelRow]) -> list[KernelRow]:
    """Replace labels that stand for two rows by the release, then by the place."""
    by_release = _renamed(found, [row.release or row.label for row in found])
    return _renamed(by_release, [row.place for row in found])


def _renamed(found: Sequence[KernelRow], names: Sequence[str]) -> list[KernelRow]:
    taken = [row.label for row in found]
    return [
        replace(row, label=name) if taken.count(row.label) > 1 else row
        for row, name in zip(found, names, strict=True)
    ]


def _order(row: KernelRow) -> tuple[object, ...]:
    version = row.version
    if version is None:
        return (1, row.label)
    # A flavour may come from another update of the series than the usual kernel does.
    return (0, version.numbers[:2], version.flavour, version, row.label)
