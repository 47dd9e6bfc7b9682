# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read folders of journals, one kernel each, from a run over kernels or jobs of a CI system.

A kernel's folder has ``outcome.json`` (status and reason) and, as far as it got, ``journal.jsonl``.
A journal anywhere else counts as well, as a kernel that is done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.amounts import counted
from bench.errors import JournalError
from bench.journal.distinct import Distinct
from bench.journal.reader import read_journal
from bench.journal.schema import JournalContent
from bench.questions.kernels.outcome import JOURNAL, OUTCOME, RUN, Reproduced, Status

_BEGUN: Final = "order.json"
"""In a kernel's folder as soon as its guest is started; the outcome comes at the end."""
_LONGEST_BYTES: Final = 1 << 20
_LONGEST_WORD: Final = 40
_LONGEST_REASON: Final = 400
_MOST_NOTES: Final = 20
_EMPTY: Final = JournalContent(runs=(), faults=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Describe one kernel of a matrix."""

    label: str  # as in the request: "6.12-rt"; "" where only a journal is known
    release: str = ""  # of outcome.json; "" where it has none
    status: str  # done, failed, panicked, hung, killed, torn, unavailable ...
    reason: str = ""  # why it is not done; "" where it is
    notes: tuple[str, ...] = ()  # experiments left out, and complaints of the kernel
    reproduced: Reproduced | None = None  # of a reproducible guest
    path: str  # of the folder or journal
    content: JournalContent = _EMPTY
    alone: bool = False  # a journal without an outcome beside it


def read_matrix(places: Iterable[Path]) -> tuple[Entry, ...]:
    """Read every kernel in these folders and journals and below, each trial once.

    Raise JournalError where nothing is found, or a place cannot be read.
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
    """Yield entries without trials that were given before; skip those that have nothing else.

    A kernel's folder goes before a journal alone, which lacks its status and reason.
    """
    found = Distinct()
    owners: list[Entry] = []  # of each run that was found
    empty: list[Entry] = []
    for entry in sorted(entries, key=lambda each: each.alone):
        for run in entry.content.runs:
            if found.take(run) == len(owners):
                owners.append(entry)
        if not entry.content.runs and all(replace(entry, path=each.path) != each for each in empty):
            empty.append(entry)
    repeated = frozenset(found.repeated.union(*(each.content.repeated for each in entries)))
    once = list(zip(found.runs, owners, strict=True))
    for entry in entries:
        runs = tuple(run for run, owner in once if owner is entry)
        if runs or any(each is entry for each in empty):
            yield replace(entry, content=replace(entry.content, runs=runs, repeated=repeated))


def _entries(place: Path) -> Iterator[Entry]:
    if not place.exists():
        raise JournalError(f"{place} does not exist")
    if not place.is_dir():
        yield _alone(place)
        return
    ended = {path.parent for path in place.rglob(OUTCOME)}
    begun = {path.parent for path in place.rglob(_BEGUN)} - ended
    yield from map(_kernel, sorted(ended))
    for folder in sorted(begun):  # stopped while its guest ran: its trials count
        reason = "the run was stopped before it ended"
        yield Entry(
            label=folder.name,
            status="killed",
            reason=reason,
            path=str(folder),
            content=_journal(folder),
        )
    for journal in sorted([*place.rglob("*.jsonl"), *place.rglob("*.jsonl.gz")]):
        if journal.parent not in ended | begun:
            yield _alone(journal)
    for run in sorted(place.rglob(RUN)):
        yield from _never_begun(run, ended | begun)


def _never_begun(run: Path, known: set[Path]) -> Iterator[Entry]:
    """Yield kernels that a run was asked for, and of which there is no folder."""
    asked = _read(run).get("kernels")
    for each in asked[:_MOST_NOTES] if isinstance(asked, list) else ():
        name = _text(each, "folder", _LONGEST_REASON) if isinstance(each, dict) else ""
        folder = run.parent / name
        if name and folder not in known and not (folder / JOURNAL).exists():
            yield Entry(
                label=_text(each, "label") or name,
                status="not run",
                reason="the run was stopped before its turn",
                path=str(run),
            )


def _alone(journal: Path) -> Entry:
    """Return a journal without an outcome, labelled by its kernel's folder."""
    return Entry(
        label=journal.parent.name if journal.name == JOURNAL else "",
        status=Status.DONE,
        path=str(journal),
        content=read_journal(journal),
        alone=True,
    )


def _kernel(folder: Path) -> Entry:
    found = _read(folder / OUTCOME)
    status = _text(found, "status") or Status.FAILED
    reason = str(found.get("reason") or "no reason is given")[:_LONGEST_REASON]
    if status == Status.DONE and not (folder / JOURNAL).exists():
        status, reason = Status.TORN, f"{OUTCOME} reports done, but there is no {JOURNAL}"
    lost_boot = _text(found, "lost_boot", _LONGEST_REASON)
    left_out = ", ".join(_texts(found, "left_out"))
    reproduced = _reproduced(found.get("reproduced"))
    return Entry(
        label=_text(found, "label") or folder.name,
        release=_text(found, "release"),
        status=status,
        reason="" if status == Status.DONE else reason,
        notes=(
            *([f"booted twice: {lost_boot}"] if lost_boot else ()),
            *([f"left out: {left_out}"] if left_out else ()),
            *([_words(reproduced)] if reproduced else ()),
            *(f"kernel: {complaint}" for complaint in _texts(found, "complaints")),
        ),
        reproduced=reproduced,
        path=str(folder),
        content=_journal(folder),
    )


def _reproduced(found: object) -> Reproduced | None:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(Reproduced).validate_python(found)
    except ValueError:  # none, or foreign
        return None


def _words(found: Reproduced) -> str:
    which = "the same" if found.identical else "other"
    seeds = counted(len(found.seeds), "seed")
    return f"{which} bytes when booted again, SHA-256 of {seeds} {found.journal_sha256[:16]}"


def _journal(folder: Path) -> JournalContent:
    journal = folder / JOURNAL
    return read_journal(journal) if journal.exists() else _EMPTY


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LONGEST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        return {"status": "torn", "reason": f"{path.name} cannot be used: {error}"}
    if not isinstance(found, dict):
        return {"status": "torn", "reason": f"{path.name} is not a JSON object"}
    return found


def _text(found: dict[str, object], key: str, longest: int = _LONGEST_WORD) -> str:
    value = found.get(key)
    return value[:longest] if isinstance(value, str) else ""


def _texts(found: dict[str, object], key: str) -> list[str]:
    values = found.get(key)
    known = values[:_MOST_NOTES] if isinstance(values, list) else []
    return [str(each)[:_LONGEST_REASON] for each in known]
