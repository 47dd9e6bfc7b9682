# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The data set of a folder of journals, kept in the folder: by kernel, machine and month.

A journal's rows count as long as it has the size, mtime and ctime that it had; where one of them
differs, its SHA-256 decides. What other code has made, or is torn or foreign, does not count.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from errno import ELOOP
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import TypeAdapter

from bench.dataset.decode import Item, Journal, Written, decoder
from bench.dataset.decode import journals as journals_of
from bench.dataset.rows import JUDGED, SCHEMA
from bench.dataset.stored import JOURNAL, PART, ROW, Files, Stored, Table, read_part
from bench.errors import JournalError
from bench.host import ownership
from bench.journal.distinct import Distinct, machine_digest
from bench.journal.files import Stamp, code, digest, name_in
from bench.journal.reader import continues
from bench.journal.schema import Fault, JournalContent, Run, RunHeader
from bench.plan.outline import Outline
from bench.record.footprint import MemoryLine

NAME: Final = ".bufbench-trials"
_INDEX: Final = "index"
_COMING: Final = "coming"  # parts on their way
_REPORT_S: Final = 10.0
_MONTH: Final = re.compile(r"\d{4}-\d{2}", re.ASCII)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFile:
    """A Parquet file, by its name in the data set."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run, its trials apart."""

    header: RunHeader
    memory: tuple[MemoryLine, ...]
    plans: tuple[Outline, ...]
    parts: tuple[PartFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A journal that was taken up."""

    code: str  # digest of what read it
    journal: str  # below the folder
    stamp: Stamp
    sha256: str
    faults: tuple[Fault, ...]
    runs: tuple[StoredRun, ...]


@dataclass(slots=True)
class _Open:
    """A run that is being read."""

    header: RunHeader
    name: str  # of its part files, without their number
    memory: list[MemoryLine] = field(default_factory=list)
    plans: list[Outline] = field(default_factory=list)
    parts: list[PartFile] = field(default_factory=list)


class DataSet:
    """The data set of one folder of journals."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = folder / NAME
        self._entries: dict[str, Entry] = {}

    def take_up(self, journals: Sequence[Path], say: Say) -> None:
        """Make the data set hold these journals and no others; ``say`` is given what has faults.

        Raises OSError where it cannot be written.
        """
        if (
            self._place.is_symlink()
        ):  # what it leads to may be anybody's: it is neither written nor swept
            raise OSError(ELOOP, os.strerror(ELOOP), str(self._place))
        ownership.make_folder(self._place)
        with _alone(self._place):
            known = {each.journal: each for each in load(self._place)}
            kept, fresh = self._sorted_out(journals, known, say)
            size_bytes = sum(path.stat().st_size for path in fresh)
            with decoder(self._place / _COMING, size_bytes) as decode:
                for at, (journal, items) in enumerate(
                    journals_of(_reported(fresh, say), decode, say)
                ):
                    entry = self._take(journal, items)
                    kept[entry.journal] = entry
                    if at % 100 == 99:
                        self._save(kept)
            order = (name_in(self._folder, path) for path in journals)
            self._entries = {name: kept[name] for name in order if name in kept}
            if self._entries != known:
                self._save(self._entries)
                self._sweep()

    @property
    def place(self) -> Path:
        """Return the folder of the data set."""
        return self._place

    def machines(self) -> Iterator[MachineRuns]:
        """Yield each machine and kernel, in the order in which journals have them."""
        machines: dict[tuple[str, str], list[tuple[Entry, StoredRun]]] = {}
        for entry in self._entries.values():
            for run in entry.runs:
                machine = run.header.machine
                key = machine.hostname, machine.kernel_release
                machines.setdefault(key, []).append((entry, run))
        for runs in machines.values():
            yield MachineRuns(self._folder, tuple(runs))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Return what of the journals could not be used."""
        return tuple(fault for entry in self._entries.values() for fault in entry.faults)

    def _sorted_out(
        self, journals: Iterable[Path], known: dict[str, Entry], say: Say
    ) -> tuple[dict[str, Entry], list[Path]]:
        """Return the entries of what is as it was, and the journals that are to be read."""
        kept: dict[str, Entry] = {}
        fresh = []
        for path in journals:
            name = name_in(self._folder, path)
            with _named(say):
                entry = known.get(name)
                stamp = Stamp.of(path)
                if entry is not None and self._holds(entry):
                    if entry.stamp == stamp:
                        kept[name] = entry
                        continue
                    if entry.stamp.size_bytes == stamp.size_bytes and entry.sha256 == digest(path):
                        kept[name] = replace(entry, stamp=stamp)
                        continue
                fresh.append(path)
        return kept, fresh

    def _holds(self, entry: Entry) -> bool:
        """Return whether all parts of an entry are there."""
        with suppress(OSError):
            return all(
                (self._place / part.name).stat().st_size == part.size_bytes
                for run in entry.runs
                for part in run.parts
            )
        return False

    def _take(self, journal: Journal, items: Iterable[Item | Fault]) -> Entry:
        name = name_in(self._folder, journal.path)
        part = f"{sha256(name.encode()).hexdigest()[:16]}-{journal.sha256[:8]}"
        faults, runs = [], list[_Open]()
        for item in items:
            if isinstance(item, Fault):
                faults.append(item)
            else:
                self._add(runs, item, part)
        return Entry(
            code=code(),
            journal=name,
            stamp=journal.stamp,
            sha256=journal.sha256,
            faults=tuple(faults),
            runs=tuple(
                StoredRun(
                    header=run.header,
                    memory=tuple(run.memory),
                    plans=tuple(run.plans),
                    parts=tuple(run.parts),
                )
                for run in runs
            ),
        )

    def _add(self, runs: list[_Open], item: Item, name: str) -> None:
        """Add what a line holds to the run that it is of."""
        match item:
            case RunHeader():
                if not (item.resumed and runs and continues(item, runs[-1].header)):
                    runs.append(_Open(item, f"{_partition(item)}/{name}-{len(runs)}"))
                if item.plan is not None:
                    runs[-1].plans.append(item.plan)
            case MemoryLine():
                runs[-1].memory.append(item)
            case Outline():
                runs[-1].plans.append(item)
            case Written():
                self._move(runs[-1], item)

    def _move(self, run: _Open, written: Written) -> None:
        """Move a part to where it belongs."""
        name = f"{run.name}-{len(run.parts)}.parquet"
        path = self._place / name
        ownership.make_folder(path.parent)
        written.path.replace(path)
        run.parts.append(PartFile(name=name, size_bytes=path.stat().st_size))

    def _save(self, entries: dict[str, Entry]) -> None:
        text = b"".join(_adapter().dump_json(each) + b"\n" for each in entries.values())
        beside = self._place / f".{_INDEX}.part"
        beside.unlink(missing_ok=True)  # it may be a link
        ownership.write(beside, text)
        beside.replace(self._place / _INDEX)

    def _sweep(self) -> None:
        """Remove the parts that no journal has any more."""
        used = {
            self._place / part.name
            for entry in self._entries.values()
            for run in entry.runs
            for part in run.parts
        }
        for path in self._place.rglob("*.parquet"):
            if path not in used:
                path.unlink()


@dataclass(frozen=True, slots=True)
class MachineRuns:
    """The runs of one machine and kernel."""

    _folder: Path
    _runs: tuple[tuple[Entry, StoredRun], ...]

    @property
    def key(self) -> str:
        """Return a digest of all that the content follows from."""
        found = sha256(code().encode())
        for entry, run in self._runs:
            names = entry.journal, entry.sha256, *(part.name for part in run.parts)
            found.update(repr(names).encode())
        return found.hexdigest()[:32]

    def content(self, faults: tuple[Fault, ...] = ()) -> JournalContent:
        """Return what the journals hold of this machine, each trial once, and ``faults``."""
        found, files = Distinct(), Files()
        for entry, run in self._runs:
            found.take(self._run(entry, run, files))
        return JournalContent(runs=found.runs, faults=faults, repeated=frozenset(found.repeated))

    def _run(self, entry: Entry, run: StoredRun, files: Files) -> Run:
        machine = machine_digest(run.header)
        journal = files.of_journal(self._folder / entry.journal)
        frames = [pl.DataFrame(schema={**{name: SCHEMA[name] for name in JUDGED}, **_PLACES})]
        for part in run.parts:
            path = self._folder / NAME / part.name
            files.parts.append(path)
            here = pl.lit(journal, pl.Int64), pl.lit(len(files.parts) - 1, pl.Int64)
            frame = read_part(path, JUDGED).with_columns(
                pl.col("identity") ^ pl.lit(machine, pl.Int64),
                here[0].alias(JOURNAL),
                here[1].alias(PART),
                pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW),
            )
            frames.append(frame)
        return Run(
            header=run.header,
            trials=Stored(Table(files, pl.concat(frames))),
            memory=run.memory,
            plans=run.plans,
        )


_PLACES: Final = {JOURNAL: pl.Int64, PART: pl.Int64, ROW: pl.Int64}


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
        "month": month[0] if month else "unknown",
    }
    return "/".join(f"{key}={_safe(value)}" for key, value in parts.items())


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:80].strip(".") or "unknown"


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Wait until no other process takes journals up here."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _named(say: Say) -> Iterator[None]:
    """Say what is wrong with a journal, and go on without it."""
    try:
        yield
    except JournalError as error:
        say(str(error))


def _reported(paths: list[Path], say: Say) -> Iterator[Path]:
    began_s = reported_s = time.monotonic()
    for at, path in enumerate(paths):
        now_s = time.monotonic()
        if at and now_s - reported_s > _REPORT_S:
            reported_s = now_s
            left_s = (now_s - began_s) / at * (len(paths) - at)
            say(f"journals read: {at:,} of {len(paths):,}; about {left_s:.0f} s left")
        yield path
