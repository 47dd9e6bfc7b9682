# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Folders of journals, one kernel each: what a run over kernels, or jobs of a CI system, left.

A kernel's folder has ``outcome.json`` (status and reason) and, as far as it got, ``journal.jsonl``.
A journal that lies anywhere else counts as well, as a kernel that is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.errors import JournalError
from bench.journal.distinct import Distinct
from bench.journal.reader import read_journal
from bench.journal.schema import JournalContent

OUTCOME: Final = "outcome.json"
JOURNAL: Final = "journal.jsonl"
RUN: Final = "run.json"
_BEGUN: Final = "order.json"
"""In a kernel's folder as soon as its guest is started; the outcome comes at the end."""
DONE: Final = "done"
_LONGEST_BYTES: Final = 1 << 20
_LONGEST_WORD: Final = 40
_LONGEST_REASON: Final = 400
_MOST_NOTES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kernel of a matrix."""

    label: str  # as it was asked for: "6.12-rt"; "" where only a journal is known
    release: str  # as outcome.json has it; "" where it does not say
    status: str  # done, failed, panicked, hung, killed, torn, unavailable ...
    reason: str  # why it is not done; "" where it is
    notes: tuple[str, ...]  # what was left out, and what the kernel complained of
    path: str  # of the folder or journal
    content: JournalContent
    status_told: bool = True  # by the folder that it lies in; False: a journal by itself


def read_matrix(places: Iterable[Path]) -> tuple[Entry, ...]:
    """Read every kernel in these folders and journals and below, each trial once.

    JournalError where there is none, or a place cannot be read.
    """
    wanted = list(places)
    entries = [entry for place in wanted for entry in _entries(place)]
    if not entries:
        raise JournalError(
            f"no kernel's journal in {', '.join(map(str, wanted))}",
            remedy=f"name a folder that holds {JOURNAL} or {OUTCOME} at any depth",
        )
    return tuple(_once(entries))


def _once(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Leave out what was given before: the trials, and entries that have nothing else.

    A kernel's folder goes before a bare journal, which lacks its status and reason.
    """
    found = Distinct()
    owners: list[Entry] = []  # of each run that was found
    bare: list[Entry] = []
    for entry in sorted(entries, key=lambda each: not each.status_told):
        for run in entry.content.runs:
            if found.take(run) == len(owners):
                owners.append(entry)
        if not entry.content.runs and all(replace(entry, path=each.path) != each for each in bare):
            bare.append(entry)
    repeated = frozenset(found.repeated.union(*(each.content.repeated for each in entries)))
    once = list(zip(found.runs, owners, strict=True))
    for entry in entries:
        runs = tuple(run for run, owner in once if owner is entry)
        if runs or any(each is entry for each in bare):
            yield replace(entry, content=replace(entry.content, runs=runs, repeated=repeated))


def _entries(place: Path) -> Iterator[Entry]:
    if not place.exists():
        raise JournalError(f"{place} does not exist")
    if not place.is_dir():
        yield _alone(place)
        return
    folders = {path.parent for path in place.rglob(OUTCOME)}
    for folder in sorted(folders):
        yield _kernel(folder)
    begun = {path.parent for path in place.rglob(_BEGUN)} - folders
    for folder in sorted(begun):
        yield _stopped(folder)
    for journal in sorted([*place.rglob("*.jsonl"), *place.rglob("*.jsonl.gz")]):
        if journal.parent not in folders | begun:
            yield _alone(journal)
    for run in sorted(place.rglob(RUN)):
        yield from _never_begun(run, folders | begun)


def _stopped(folder: Path) -> Entry:
    """Return a kernel whose run ended while its guest ran: what it measured stands."""
    journal = folder / JOURNAL
    return Entry(
        label=folder.name,
        release="",
        status="killed",
        reason="the run was stopped before it ended",
        notes=(),
        path=str(folder),
        content=read_journal(journal) if journal.exists() else JournalContent(runs=(), faults=()),
    )


def _never_begun(run: Path, known: set[Path]) -> Iterator[Entry]:
    """Return kernels that a run was asked for, and of which there is no folder."""
    asked = _outcome(run).get("kernels")
    for each in asked[:_MOST_NOTES] if isinstance(asked, list) else ():
        if not isinstance(each, dict) or not (name := _word(each.get("folder"))):
            continue
        if run.parent / name not in known and not (run.parent / name / JOURNAL).exists():
            yield Entry(
                label=_word(each.get("label")) or name,
                release="",
                status="not run",
                reason="the run was stopped before its turn",
                notes=(),
                path=str(run),
                content=JournalContent(runs=(), faults=()),
            )


def _alone(journal: Path) -> Entry:
    """Return a journal without an outcome, labelled by its kernel's folder."""
    return Entry(
        label=journal.parent.name if journal.name == JOURNAL else "",
        release="",
        status=DONE,
        reason="",
        notes=(),
        path=str(journal),
        content=read_journal(journal),
        status_told=False,
    )


def _kernel(folder: Path) -> Entry:
    journal = folder / JOURNAL
    there = journal.exists()
    told = _outcome(folder / OUTCOME)
    status = _word(told.get("status")) or "failed"
    reason = str(told.get("reason") or "")[:_LONGEST_REASON]
    if status == DONE and not there:
        status, reason = "torn", f"it says done, but there is no {JOURNAL}"
    return Entry(
        label=_word(told.get("label")) or folder.name,
        release=_word(told.get("release")),
        status=status,
        reason="" if status == DONE else reason or "no reason is told",
        notes=(
            *([f"booted twice: {lost}"] if (lost := _line(told, "lost_boot")) else ()),
            *([f"left out: {', '.join(left)}"] if (left := _words(told, "left_out")) else ()),
            *(f"kernel: {complaint}" for complaint in _words(told, "complaints")),
        ),
        path=str(folder),
        content=read_journal(journal) if there else JournalContent(runs=(), faults=()),
    )


def _outcome(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(_LONGEST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        return {"status": "torn", "reason": f"{path.name} cannot be used: {error}"}
    if not isinstance(told, dict):
        return {"status": "torn", "reason": f"{path.name} is no object"}
    return told


def _line(told: dict[str, object], key: str) -> str:
    value = told.get(key)
    return value[:_LONGEST_REASON] if isinstance(value, str) else ""


def _words(told: dict[str, object], key: str) -> list[str]:
    values = told.get(key)
    known = values[:_MOST_NOTES] if isinstance(values, list) else []
    return [str(each)[:_LONGEST_REASON] for each in known]


def _word(value: object) -> str:
    return value[:_LONGEST_WORD] if isinstance(value, str) else ""
