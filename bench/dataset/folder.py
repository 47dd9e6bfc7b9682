# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge a folder of journals machine by machine, from its data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.dataset import store
from bench.dataset.processes import processes
from bench.dataset.store import DataSet, MachineRuns
from bench.errors import JournalError, Say
from bench.journal.files import below, write_whole
from bench.journal.reader import read_journals
from bench.journal.schema import Fault, JournalContent

T = TypeVar("T")
_WORTH_BYTES: Final = 100 << 20
"""Of a data set: less is judged before other processes have started."""


def by_machine(
    folder: Path,
    say: Say,
    conclude: Callable[[JournalContent], Sequence[T]],
    keep: tuple[str, type[tuple[T, ...]]] | None = None,
    *,
    here: bool = False,
) -> list[T]:
    """Return the conclusions of ``conclude`` from each machine's journals in a folder and below.

    ``keep`` is a name and the type of the conclusions: kept under that name beside the data set,
    they are used again as long as the journals are the same. ``say`` is called with what cannot be
    used. The machines of a large folder are distributed over processes, unless ``here`` is set:
    what is sent between processes must be pickled. JournalError if there is no trial at all.
    """
    journals = below(folder, say)
    nothing = JournalError(
        f"no trial in {folder}",
        remedy="name a folder of journals; they end in .jsonl, .jsonl.gz",
    )
    if not journals:  # no data set to make
        raise nothing
    with ExitStack() as stack:
        others = stack.enter_context(processes())
        try:
            data_set = stack.enter_context(store.opened(folder, journals, say, others))
        except OSError as error:
            say(f"no data set in {folder}, so that all is read at once: {error.strerror}")
            content = read_journals(journals)
            _name(content.faults, say)
            return [*conclude(content)]
        _name(data_set.faults, say)
        kept = None if keep is None else Kept(data_set.place / keep[0], keep[1])
        worth = not here and data_set.size_bytes > _WORTH_BYTES
        found = _concluded(data_set, conclude, kept, partial(others.map, worth=worth))
    if not found:
        raise nothing
    return found


def _concluded(
    data_set: DataSet,
    conclude: Callable[[JournalContent], Sequence[T]],
    kept: Kept[tuple[T, ...]] | None,
    mapped: Callable[..., Iterable[tuple[T, ...]]],
) -> list[T]:
    machines = [*data_set.machines()]
    known = [None if kept is None else kept.get(each.key) for each in machines]
    fresh = [each for each, value in zip(machines, known, strict=True) if value is None]
    faults = data_set.faults if fresh and fresh[0] is machines[0] else ()
    given = [(each, () if at else faults) for at, each in enumerate(fresh)]
    made = iter(mapped(partial(_of_machine, conclude), given))
    values = [next(made) if value is None else value for value in known]
    if kept is not None:
        for each, value in zip(machines, values, strict=True):
            kept.put(each.key, value)
        with suppress(OSError):  # the next call takes as long
            kept.save()
    return [one for value in values for one in value]


class Kept(Generic[T]):
    """Keep conclusions of one type, by a digest of everything they depend on."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self._path = path
        self._adapter = TypeAdapter(kind, config={"ser_json_inf_nan": "constants"})
        self._found: dict[str, T] = {}
        self._used: dict[str, T] = {}
        with suppress(OSError, ValueError):
            for line in path.read_bytes().splitlines():
                key, _, text = line.partition(b" ")
                with suppress(ValidationError):
                    self._found[key.decode()] = self._adapter.validate_json(text)

    def get(self, key: str) -> T | None:
        """Return what was kept under ``key``."""
        if key in self._found:
            self._used[key] = self._found[key]
        return self._used.get(key)

    def put(self, key: str, value: T) -> None:
        """Keep a value."""
        self._used[key] = value

    def save(self) -> None:
        """Write what was read or added since loading, if it has changed. Raises OSError."""
        if self._used.keys() != self._found.keys():
            lines = (
                b"%s %s\n" % (k.encode(), self._adapter.dump_json(v)) for k, v in self._used.items()
            )
            write_whole(self._path, b"".join(lines))


def _of_machine(
    conclude: Callable[[JournalContent], Sequence[T]], given: tuple[MachineRuns, tuple[Fault, ...]]
) -> tuple[T, ...]:
    machine, faults = given
    return tuple(conclude(machine.content(faults)))


def _name(faults: Iterable[Fault], say: Say) -> None:
    for fault in faults:
        say(str(fault))
