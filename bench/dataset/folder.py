# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A folder of journals, machine by machine, by way of its data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from bench.dataset.kept import Kept
from bench.dataset.store import DataSet
from bench.errors import JournalError
from bench.journal.files import below
from bench.journal.reader import read_journals
from bench.journal.schema import Fault, JournalContent

T = TypeVar("T")


def by_machine(
    folder: Path,
    say: Callable[[str], None],
    conclude: Callable[[JournalContent], Sequence[T]],
    keep: tuple[str, type[tuple[T, ...]]] | None = None,
) -> list[T]:
    """Return what ``conclude`` makes of each machine's journals in a folder and below.

    ``keep`` has a name and the type of what is concluded: kept under that name beside the data set,
    it is not concluded anew as long as the journals are the same. ``say`` is given what cannot be
    used.
    JournalError if there is no trial at all.
    """
    journals = below(folder, say)
    data_set = DataSet(folder)
    try:
        data_set.take_up(journals, say)
    except OSError as error:
        say(f"no data set in {folder}, so that all is read at once: {error.strerror}")
        content = read_journals(journals)
        _name(content.faults, say)
        return [*conclude(content)]
    _name(data_set.faults, say)
    kept = None if keep is None else Kept(data_set.place / keep[0], keep[1])
    found: list[T] = []
    for at, machine in enumerate(data_set.machines()):
        known = None if kept is None else kept.get(machine.key)
        if known is None:
            known = tuple(conclude(machine.content(() if at else data_set.faults)))
            if kept is not None:
                kept.put(machine.key, known)
        found += known
    if kept is not None:
        with suppress(OSError):  # the next call takes as long
            kept.save()
    if not found:
        raise JournalError(
            f"no trial in {folder}",
            remedy="name a folder of journals; they end in .jsonl, .jsonl.gz",
        )
    return found


def _name(faults: Iterable[Fault], say: Callable[[str], None]) -> None:
    for fault in faults:
        say(str(fault))
