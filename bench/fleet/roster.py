# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Assign tasks to machines: pure, from what Dask's scheduler reports and what comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bench.amounts import duration
from bench.fleet.facts import Facts
from bench.fleet.plan import fits_a_file
from bench.fleet.spool import Progress

MOST_ATTEMPTS: Final = 4
GRACE_S: Final = 10.0
"""How long a lost machine may take to come back before another gets its task."""
PATIENCE_S: Final = 60.0
"""How long a task waits for a machine of its type."""
_AND: Final = "+"  # in no machine's name


class State(StrEnum):
    """Name the state of a task, or of a machine without one."""

    WAITING = "waiting"
    RUNNING = "running"
    LOST = "lost"
    REPLACED = "replaced"  # by another's task, until its own machine is back
    DONE = "done"
    FAILED = "failed"
    NOT_USED = "not used"


ENDED: Final = frozenset((State.REPLACED, State.DONE, State.FAILED, State.NOT_USED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Describe a worker, as reported by the scheduler."""

    address: str
    name: str
    facts: Facts | None  # None: not bufbench's
    clock_ahead_s: float = 0.0  # of the scheduler's
    progress: Progress | None = None

    @property
    def objection(self) -> str:
        """Return why the worker is not used; "" if it is."""
        if not fits_a_file(self.name):
            return "its name cannot be a file's"
        if self.facts is None:
            return "is not a worker of bufbench, or of another version"
        return self.facts.objection()

    def replaces(self, row: Assignment) -> bool:
        """Return whether the worker is used, and its machine has the type of a row's."""
        own, other = self.facts, row.facts
        same = own is not None and other is not None and own.type == other.type
        return same and not self.objection


@dataclass(slots=True, kw_only=True)
class Assignment:
    """Describe a task, or a machine without one, as in fleet.json."""

    name: str  # of its journal in the folder, and of the task
    machine: str
    kernel: str = ""  # of a plan of kernels
    state: State = State.WAITING
    reason: str = ""
    journal: str = ""  # file in the folder; "": none
    sha256: str = ""
    notes: list[str] = field(default_factory=list)
    facts: Facts | None = None


@dataclass(slots=True, kw_only=True)
class Row(Assignment):
    """Follow a task while the fleet runs."""

    address: str = ""  # of the worker that does it
    attempts: int = 0
    lost_at_s: float = 0.0
    progress: Progress | None = None
    exit_code: int = 0  # of the command that wrote the journal
    acknowledged: str = ""  # address of the worker that was asked to forget it

    def abandoned(self, now_s: float) -> bool:
        """Return whether it was lost long enough ago for another machine to replace its own."""
        return self.state is State.LOST and now_s - self.lost_at_s > GRACE_S

    def replaced(self, name: str) -> None:
        """Note that the task ``name`` replaces it."""
        self.state, self.reason = State.REPLACED, f"{self.reason}, {name} is in its place"


class Roster:
    """Hold rows by name: a task for each machine, or for each of its kernels.

    ``only`` names the machines that take part; empty: all.
    """

    def __init__(self, only: frozenset[str] = frozenset(), kernels: Sequence[str] = ()) -> None:
        self.rows: dict[str, Row] = {}
        self._only = only
        self._kernels = kernels or ("",)
        self._seen: dict[str, Seen] = {}

    @property
    def machines(self) -> int:
        """Return how many machines have joined."""
        return len({row.machine for row in self.rows.values()})

    @property
    def ended(self) -> bool:
        """Return whether no row is left to wait for."""
        return all(row.state in ENDED for row in self.rows.values())

    def see(self, workers: Mapping[str, Seen], now_s: float) -> None:
        """Note the workers: new machines get rows, tasks of those that are gone are lost."""
        asked = self._only or {each.name for each in workers.values()}
        self._seen = {each.name: each for each in workers.values() if each.name in asked}
        for seen in self._seen.values():
            self._enter(seen, now_s)
        for row in [*self.rows.values()]:
            self._follow(row, now_s)

    def due(self) -> Iterator[tuple[Row, Seen]]:
        """Yield each row that can be sent now, and its worker: one per machine at a time."""
        busy = {row.machine for row in self.rows.values() if row.state is State.RUNNING}
        for row in self.rows.values():
            worker = self._seen.get(row.machine)
            if row.state not in (State.WAITING, State.LOST) or row.machine in busy:
                continue
            if worker is not None and not worker.objection:
                busy.add(row.machine)
                yield row, worker

    def unacknowledged(self) -> Iterator[tuple[Row, Seen]]:
        """Yield each row that is done, and its machine, once for each time that it joined."""
        for row in self.rows.values():
            seen = self._seen.get(row.machine)
            if row.state is State.DONE and seen is not None and seen.address != row.acknowledged:
                row.acknowledged = seen.address
                yield row, seen

    def send(self, row: Row, worker: Seen) -> None:
        """Note that a row's task has been sent to its worker."""
        own = row.name == _task(worker.name, row.kernel)
        row.notes = [] if own else [f"in place of {row.name.partition(_AND)[0]}"]
        if worker.clock_ahead_s:
            how = "ahead" if worker.clock_ahead_s > 0 else "behind"
            row.notes.append(f"its clock is {duration(abs(worker.clock_ahead_s))} {how}")
        row.state, row.reason, row.progress = State.RUNNING, "", None
        row.address = worker.address
        row.attempts += 1

    def lose(self, row: Row, reason: str, now_s: float) -> None:
        """Note that a task was lost; after several attempts it has failed."""
        row.state = State.LOST if row.attempts < MOST_ATTEMPTS else State.FAILED
        row.reason, row.lost_at_s, row.progress = reason, now_s, None

    def _enter(self, seen: Seen, now_s: float) -> None:
        """Give a new machine its rows; each replaces a lost one of its type."""
        rows = [row for row in self.rows.values() if row.machine == seen.name]
        unused = [row.name for row in rows if row.state is State.NOT_USED]
        if why := seen.objection:
            if len(unused) == len(rows):
                self.rows[seen.name] = Row(
                    name=seen.name,
                    machine=seen.name,
                    state=State.NOT_USED,
                    reason=why,
                    facts=seen.facts,
                )
            return
        for name in unused:
            del self.rows[name]
        for kernel in self._kernels:
            name = _task(seen.name, kernel)
            if name not in self.rows:
                if lost := next(self._lost(seen, kernel, now_s), None):
                    lost.replaced(name)
                self.rows[name] = Row(name=name, machine=seen.name, kernel=kernel, facts=seen.facts)

    def _lost(self, seen: Seen, kernel: str, now_s: float) -> Iterator[Row]:
        """Yield the lost tasks that a machine of their type may do."""
        for row in self.rows.values():
            gone = row.abandoned(now_s) and row.machine not in self._seen
            if gone and row.kernel == kernel and seen.replaces(row):
                yield row

    def _follow(self, row: Row, now_s: float) -> None:
        """Note what has become of a row's machine."""
        seen = self._seen.get(row.machine)
        if row.state is State.RUNNING and seen is not None and seen.address == row.address:
            row.progress = seen.progress
        elif row.state is State.RUNNING or (row.state is State.WAITING and seen is None):
            self.lose(row, "its worker was lost", now_s)
        elif row.state in (State.LOST, State.REPLACED) and seen is not None and not seen.objection:
            row.state, row.reason = State.WAITING, ""
        elif row.abandoned(now_s):
            self._replace(row, now_s)

    def _replace(self, row: Row, now_s: float) -> None:
        """Give a lost task to an idle machine of its type; if no such machine exists, it fails."""
        of_type = [seen for seen in self._seen.values() if seen.replaces(row)]
        busy = {each.machine for each in self.rows.values() if each.state not in ENDED}
        idle = next((seen for seen in of_type if seen.name not in busy), None)
        if idle is not None:
            name = f"{row.name}{_AND}{idle.name}"
            made = Row(name=name, machine=idle.name, kernel=row.kernel, facts=idle.facts)
            made.attempts = row.attempts
            self.rows.setdefault(name, made)
            row.replaced(name)
        elif not of_type and now_s - row.lost_at_s > PATIENCE_S:
            row.state = State.FAILED
            row.reason += ", and no machine of its type joined"


def _task(machine: str, kernel: str) -> str:
    """Return the name of a machine's own task, which is also its journal's."""
    return _AND.join(filter(None, (machine, re.sub(r"[^A-Za-z0-9._-]", "_", kernel))))
