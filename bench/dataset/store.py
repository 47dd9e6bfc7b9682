# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep the data set of a folder of journals in that folder: by kernel, machine and month.

A journal's rows are valid as long as its size, mtime and ctime are unchanged; if one of them
differs, its SHA-256 decides. Rows that other code made, or that are torn or foreign, are not.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from pydantic import TypeAdapter

from bench.dataset.decode import Decoded, Written, decoded
from bench.dataset.processes import Processes
from bench.dataset.stored import Part, Stored, Table
from bench.errors import JournalError, Say
from bench.host import ownership
from bench.journal.distinct import Distinct, machine_digest
from bench.journal.files import Stamp, code, name_in, one_by_one, write_whole
from bench.journal.reader import by_run
from bench.journal.schema import Fault, JournalContent, Run, RunHeader
from bench.plan.experiments import Outline
from bench.record.footprint import MemoryLine

NAME: Final = ".bufbench-trials"
_INDEX: Final = "index"
_COMING: Final = "coming-"  # folders of parts that are being written
_MONTH: Final = re.compile(r"\d{4}-\d{2}", re.ASCII)
_WORTH_BYTES: Final = 16 << 20
"""Of journals: less is read before other processes have started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFile:
    """Name a Parquet file of the data set."""

    name: str
    size_bytes: int
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """Hold a run, its trials apart."""

    header: RunHeader
    memory: tuple[MemoryLine, ...]
    plans: tuple[Outline, ...]
    parts: tuple[PartFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Describe a journal in the data set."""

    code: str  # digest of what read it
    journal: str  # below the folder
    stamp: Stamp
    sha256: str
    faults: tuple[Fault, ...]
    runs: tuple[StoredRun, ...]

    @property
    def parts(self) -> list[PartFile]:
        """Return the parts of all runs."""
        return [part for run in self.runs for part in run.parts]


@contextmanager
def opened(
    folder: Path, journals: Sequence[Path], say: Say, others: Processes
) -> Iterator[DataSet]:
    """Yield the data set that holds these journals and no others, unaltered meanwhile.

    Missing ones are read first, by ``others``; ``say`` is called with faults. Raises OSError if it
    cannot be written.
    """
    place = folder / NAME
    ownership.make_folder(place)
    lock = os.open(place, ownership.FOLDER)  # the target of a link may be another user's
    try:
        _take(lock, fcntl.LOCK_SH, folder, say)
        data_set = DataSet(folder, load(place))
        if not data_set.holds(journals):
            _take(lock, fcntl.LOCK_EX, folder, say)
            DataSet(folder, load(place)).take_up(journals, say, others)
            # Not at once: another process may alter it, by the same journals, in between.
            fcntl.flock(lock, fcntl.LOCK_SH)
            data_set = DataSet(folder, load(place))
        yield data_set
    finally:
        os.close(lock)


def _take(lock: int, how: int, folder: Path, say: Say) -> None:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another report of {folder}")
        fcntl.flock(lock, how)


class DataSet:
    """Hold the data set of one folder of journals, by the entries of its index."""

    def __init__(self, folder: Path, entries: Iterable[Entry]) -> None:
        self._folder = folder
        self._entries = {each.journal: each for each in entries}
        self.place = folder / NAME

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Return the parts of journals that could not be used."""
        return tuple(fault for entry in self._entries.values() for fault in entry.faults)

    @property
    def size_bytes(self) -> int:
        """Return the size of all parts."""
        return sum(part.size_bytes for entry in self._entries.values() for part in entry.parts)

    def machines(self) -> Iterator[MachineRuns]:
        """Yield each machine and kernel, in the order of the journals."""
        machines: dict[tuple[str, str], list[tuple[Entry, StoredRun]]] = {}
        for entry in self._entries.values():
            for run in entry.runs:
                machine = run.header.machine
                key = machine.hostname, machine.kernel_release
                machines.setdefault(key, []).append((entry, run))
        for runs in machines.values():
            yield MachineRuns(self._folder, tuple(runs))

    def holds(self, journals: Sequence[Path]) -> bool:
        """Return whether the data set holds these journals as they are, and no others."""
        kept, _ = self._sorted_out(journals, lambda _: None)
        return kept == self._entries and len(kept) == len(journals)

    def take_up(self, journals: Sequence[Path], say: Say, others: Processes) -> None:
        """Make the data set hold these journals and no others, on the disk."""
        kept, fresh = self._sorted_out(journals, say)
        size_bytes = sum(path.stat().st_size for path in fresh)
        with TemporaryDirectory(
            prefix=_COMING, dir=self.place, ignore_cleanup_errors=True
        ) as coming:
            decode = partial(decoded, Path(coming))
            worth = size_bytes > _WORTH_BYTES
            found = others.map(decode, one_by_one(fresh, say), worth=worth)
            for at, journal in enumerate(found):
                if isinstance(journal, str):
                    say(journal)
                    continue
                entry = self._entry(journal)
                kept[entry.journal] = entry
                if at % 100 == 99:
                    self._save(kept.values())
        order = (name_in(self._folder, path) for path in journals)
        entries = {name: kept[name] for name in order if name in kept}
        if entries != self._entries:
            self._save(entries.values())
            self._sweep(entries.values())

    def _sorted_out(
        self, journals: Iterable[Path], say: Say
    ) -> tuple[dict[str, Entry], list[Path]]:
        """Return the entries of unchanged journals, and the journals to be read."""
        kept: dict[str, Entry] = {}
        fresh = []
        for path in journals:
            name = name_in(self._folder, path)
            entry = self._entries.get(name)
            try:
                stamp = Stamp.of(path)
                if entry and self._whole(entry) and stamp.same(entry.stamp, path, entry.sha256):
                    kept[name] = replace(entry, stamp=stamp)
                else:
                    fresh.append(path)
            except JournalError as error:
                say(str(error))
        return kept, fresh

    def _whole(self, entry: Entry) -> bool:
        """Return whether all parts of an entry are there."""
        with suppress(OSError):
            return all(
                (self.place / part.name).stat().st_size == part.size_bytes for part in entry.parts
            )
        return False

    def _entry(self, journal: Decoded) -> Entry:
        """Move a journal's parts to where they belong; return its entry."""
        name = name_in(self._folder, journal.path)
        part = f"{sha256(name.encode()).hexdigest()[:16]}-{journal.sha256[:8]}"
        runs, faults = by_run(journal.items)
        return Entry(
            code=code(),
            journal=name,
            stamp=journal.stamp,
            sha256=journal.sha256,
            faults=faults,
            runs=tuple(
                StoredRun(
                    header=run.header,
                    memory=tuple(run.memory),
                    plans=tuple(run.plans),
                    parts=tuple(self._moved(run.trials, run.header, f"{part}-{at}")),
                )
                for at, run in enumerate(runs)
            ),
        )

    def _moved(self, trials: Sequence[Written], header: RunHeader, name: str) -> Iterator[PartFile]:
        """Move the parts of a run into its folder, never through a link."""
        if not trials:
            return
        partition = _partition(header)
        with ownership.folder_below(self.place, partition.split("/")) as folder:
            for at, part in enumerate(trials):
                file = f"{name}-{at}.parquet"
                size_bytes = part.path.stat().st_size
                os.rename(part.path, file, dst_dir_fd=folder)
                yield PartFile(
                    name=f"{partition}/{file}", size_bytes=size_bytes, trials=part.trials
                )

    def _save(self, entries: Iterable[Entry]) -> None:
        text = b"".join(_adapter().dump_json(each) + b"\n" for each in entries)
        write_whole(self.place / _INDEX, text)

    def _sweep(self, entries: Iterable[Entry]) -> None:
        """Remove parts that no longer belong to a journal, and those that killed processes left."""
        used = {self.place / part.name for entry in entries for part in entry.parts}
        for path in self.place.rglob("*.parquet"):
            if path not in used:
                path.unlink(missing_ok=True)
        for path in self.place.glob(f"{_COMING}*"):
            shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class MachineRuns:
    """Hold the runs of one machine and kernel."""

    _folder: Path
    _runs: tuple[tuple[Entry, StoredRun], ...]

    @property
    def key(self) -> str:
        """Return a digest of everything that determines the content."""
        found = sha256(code().encode())
        for entry, run in self._runs:
            names = entry.journal, entry.sha256, *(part.name for part in run.parts)
            found.update(repr(names).encode())
        return found.hexdigest()[:32]

    def content(self, faults: tuple[Fault, ...] = ()) -> JournalContent:
        """Return what the journals hold of this machine, each trial once, and ``faults``."""
        parts = [
            Part(
                path=self._folder / NAME / part.name,
                journal=self._folder / entry.journal,
                trials=part.trials,
            )
            for entry, run in self._runs
            for part in run.parts
        ]
        table = Table(parts, machine_digest(self._runs[0][1].header))
        found = Distinct()
        first = 0
        for _, run in self._runs:
            end = first + sum(part.trials for part in run.parts)
            trials = Stored(table, np.arange(first, end))
            found.take(Run(header=run.header, trials=trials, memory=run.memory, plans=run.plans))
            first = end
        return JournalContent(runs=found.runs, faults=faults, repeated=frozenset(found.repeated))


@cache
def _adapter() -> TypeAdapter[Entry]:
    return TypeAdapter(Entry)


def load(place: Path) -> Iterator[Entry]:
    """Yield the journals of a data set that this code made."""
    with suppress(OSError, ValueError):
        for line in (place / _INDEX).read_bytes().splitlines():
            entry = _adapter().validate_json(line)
            if entry.code == code():
                yield entry


def _partition(header: RunHeader) -> str:
    """Return the folder of a run: "kernel=6.12.1/machine=here/month=2026-11"."""
    month = _MONTH.match(header.started_utc)
    parts = {
        "kernel": header.machine.kernel_release,
        "machine": header.machine.hostname,
        "month": month[0] if month else "",
    }
    safe = {key: re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:80] for key, text in parts.items()}
    return "/".join(f"{key}={text.strip('.') or 'unknown'}" for key, text in safe.items())
