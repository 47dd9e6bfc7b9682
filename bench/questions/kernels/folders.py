# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read folders of journals, one kernel each, from a run over kernels or jobs of a CI system.

A kernel's folder has ``outcome.json`` (status and reason) and, if it got that far,
``journal.jsonl``. A journal anywhere else counts too, as a kernel that is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel

from bench.amounts import counted
from bench.errors import JournalError
from bench.journal.distinct import Distinct
from bench.journal.reader import read_journal, with_trials
from bench.journal.schema import JournalContent
from bench.questions.kernels.outcome import JOURNAL, OUTCOME, RUN, Reproduced, Status

_BEGUN: Final = "order.json"
"""In a kernel's folder from the start of its guest; the outcome is written at the end."""
_LONGEST_BYTES: Final = 1 << 20
_EMPTY: Final = JournalContent(runs=(), faults=())

# Foreign files may hold anything of any length.
_Word = Annotated[str, AfterValidator(itemgetter(slice(40)))]
_Text = Annotated[str, AfterValidator(itemgetter(slice(400)))]
_Texts = Annotated[tuple[_Text, ...], AfterValidator(itemgetter(slice(20)))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Describe one kernel of a matrix."""

    label: str  # as in the request: "6.12-rt"; "" if only a journal is known
    release: str = ""  # of outcome.json; "" if it has none
    status: str  # done, failed, panicked, hung, killed, torn, unavailable ...
    reason: str = ""  # why it is not done; "" if it is
    notes: tuple[str, ...] = ()  # experiments left out, and complaints of the kernel
    reproduced: Reproduced | None = None  # of a reproducible guest
    path: str  # of the folder or journal
    content: JournalContent = _EMPTY
    alone: bool = False  # a journal without an outcome beside it


class _Requested(BaseModel):
    folder: _Text = ""
    label: _Word = ""


class _Written(BaseModel):
    """Hold outcome.json or run.json, of any origin."""

    label: _Word = ""
    release: _Word = ""
    status: _Word = Status.FAILED
    reason: _Text | None = None
    lost_boot: _Text = ""
    left_out: _Texts = ()
    complaints: _Texts = ()
    reproduced: Reproduced | None = None
    kernels: tuple[_Requested, ...] = ()


def read_matrix(places: Iterable[Path]) -> tuple[Entry, ...]:
    """Read every kernel in these folders and journals and below, each trial once.

    Raise JournalError if nothing is found, or a place cannot be read.
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

    A kernel's folder precedes a journal alone, which lacks its status and reason.
    """
    found = Distinct()
    owners: list[Entry] = []  # of each run found
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
        entry = _alone(place)
        with_trials(entry.content, [place])
        yield entry
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
    """Yield kernels that were requested of a run but have no folder."""
    for each in _written(run).kernels:
        folder = run.parent / each.folder
        if each.folder and folder not in known and not (folder / JOURNAL).exists():
            yield Entry(
                label=each.label or each.folder,
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
    found = _written(folder / OUTCOME)
    status, reason = found.status or Status.FAILED, found.reason or "no reason is given"
    if status == Status.DONE and not (folder / JOURNAL).exists():
        status, reason = Status.TORN, f"{OUTCOME} reports done, but there is no {JOURNAL}"
    notes = [f"booted twice: {found.lost_boot}"] if found.lost_boot else []
    notes += [f"left out: {', '.join(found.left_out)}"] if found.left_out else []
    content = _journal(folder)
    notes += dict.fromkeys(what for run in content.runs for what in run.header.left_out)
    if again := found.reproduced:
        which, seeds = "the same" if again.identical else "other", counted(len(again.seeds), "seed")
        digest = f"SHA-256 of {seeds} {again.journal_sha256[:16]}"
        notes.append(f"{which} bytes when booted again, {digest}")
    return Entry(
        label=found.label or folder.name,
        release=found.release,
        status=status,
        reason="" if status == Status.DONE else reason,
        notes=(*notes, *(f"kernel: {complaint}" for complaint in found.complaints)),
        reproduced=again,
        path=str(folder),
        content=content,
    )


def _journal(folder: Path) -> JournalContent:
    journal = folder / JOURNAL
    return read_journal(journal) if journal.exists() else _EMPTY


def _written(path: Path) -> _Written:
    try:
        with path.open("rb") as file:
            return _Written.model_validate_json(file.read(_LONGEST_BYTES))
    except (OSError, ValueError):
        reason = f"{path.name} cannot be read, or has another format"
        return _Written(status=Status.TORN, reason=reason)
