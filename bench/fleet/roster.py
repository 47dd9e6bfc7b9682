# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Assign tasks to machines: pure, from what Dask's scheduler shows and what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bench.amounts import duration
from bench.fleet.facts import Facts
from bench.fleet.plan import fits_a_file
from bench.fleet.spool import Progress

MOST_ATTEMPTS: Final = 4
GRACE_S: Final = 10.0
"""How long a machine that was lost may take to come back before another has its task."""
PATIENCE_S: Final = 60.0
"""How long a task waits for a machine of its type."""


class State(StrEnum):
    """State of a task, or of a machine without one."""

    WAITING = "waiting"
    RUNNING = "running"
    LOST = "lost"
    DONE = "done"
    FAILED = "failed"
    NOT_USED = "not used"


ENDED: Final = frozenset((State.DONE, State.FAILED, State.NOT_USED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Describe a worker, as the scheduler shows it."""

    address: str
    name: str
    facts: Facts | None  # None: not bufbench's
    clock_ahead_s: float = 0.0  # of the scheduler's
    progress: Progress | None = None

    @property
    def objection(self) -> str:
        """Return why the worker is not used; "": it is."""
        if not fits_a_file(self.name):
            return "its name cannot be a file's"
        if self.facts is None:
            return "is not a worker of bufbench's, or of another version"
        return self.facts.objection()

    def replaces(self, row: Assignment) -> bool:
        """Return whether the worker's machine is of the same type as a row's."""
        own, other = self.facts, row.facts
        return own is not None and other is not None and own.type == other.type


@dataclass(slots=True, kw_only=True)
class Assignment:
    """Hold a machine and its task, as in fleet.json."""

    name: str
    state: State = State.WAITING
    reason: str = ""
    machine: str = ""  # that does it, or did
    journal: str = ""  # file in the folder; "": none
    sha256: str = ""
    notes: list[str] = field(default_factory=list)
    facts: Facts | None = None


@dataclass(slots=True, kw_only=True)
class Row(Assignment):
    """Hold a machine and its task while the fleet runs."""

    address: str = ""  # of the worker that does it
    attempts: int = 0
    lost_at_s: float = 0.0
    progress: Progress | None = None
    exit_code: int = 0  # of the command that gave the journal
    acknowledged: str = ""  # address of the worker that was asked to forget it

    def abandoned(self, now_s: float) -> bool:
        """Return whether its task was lost long enough ago for another machine to take it."""
        return self.state is State.LOST and now_s - self.lost_at_s > GRACE_S


class Roster:
    """Rows by name. ``only`` names the machines that take part; empty: all."""

    def __init__(self, only: frozenset[str] = frozenset()) -> None:
        self.rows: dict[str, Row] = {}
        self._only = only
        self._seen: dict[str, Seen] = {}

    @property
    def ended(self) -> bool:
        """Return whether no row is left to wait for."""
        return all(row.state in ENDED for row in self.rows.values())

    def see(self, workers: Mapping[str, Seen], now_s: float) -> None:
        """Take in the workers: new machines get a row, tasks of those that are gone are lost."""
        asked = self._only or {each.name for each in workers.values()}
        self._seen = {each.name: each for each in workers.values() if each.name in asked}
        for seen in self._seen.values():
            row = self.rows.get(seen.name)
            if row is None or row.state is State.NOT_USED:
                self._enter(seen, now_s)
        for row in self.rows.values():
            if row.state is State.RUNNING:
                seen_now = self._seen.get(row.machine)
                if seen_now is not None and seen_now.address == row.address:
                    row.progress = seen_now.progress
                else:
                    self.lose(row, "its worker was lost", now_s)
            elif row.state is State.LOST and now_s - row.lost_at_s > PATIENCE_S:
                row.state = State.FAILED
                row.reason += ", and no machine of its type came"

    def due(self, now_s: float) -> Iterator[tuple[Row, Seen]]:
        """Yield each row that can be sent now, and the worker: its own machine, or of its type."""
        for row in self.rows.values():
            if row.state not in (State.WAITING, State.LOST):
                continue
            own = self._seen.get(row.machine)
            if own is None and row.abandoned(now_s):
                own = self._stand_in(row)
            if own is not None and not own.objection:
                yield row, own

    def unacknowledged(self) -> Iterator[tuple[Row, Seen]]:
        """Yield each row that is done, and its machine, once for each time that it has joined."""
        for row in self.rows.values():
            seen = self._seen.get(row.machine)
            if row.state is State.DONE and seen is not None and seen.address != row.acknowledged:
                row.acknowledged = seen.address
                yield row, seen

    def send(self, row: Row, worker: Seen) -> None:
        """Note that a row's task has been sent to a worker."""
        row.notes = [f"tried again on {worker.name}"] * (worker.name != row.name)
        if worker.clock_ahead_s:
            how = "ahead" if worker.clock_ahead_s > 0 else "behind"
            row.notes.append(f"its clock is {duration(abs(worker.clock_ahead_s))} {how}")
        row.state, row.reason, row.progress = State.RUNNING, "", None
        row.machine, row.address = worker.name, worker.address
        row.attempts += 1

    def lose(self, row: Row, reason: str, now_s: float) -> None:
        """Note that a task was lost; after several attempts it has failed."""
        row.state = State.LOST if row.attempts < MOST_ATTEMPTS else State.FAILED
        row.reason, row.lost_at_s, row.progress = reason, now_s, None

    def _enter(self, seen: Seen, now_s: float) -> None:
        """Give a machine without a task its row: a task of its own, or one that was lost."""
        if why := seen.objection:
            found = Row(name=seen.name, state=State.NOT_USED, facts=seen.facts, reason=why)
            self.rows[seen.name] = found
        elif (orphan := self._orphan(seen, now_s)) is not None:
            orphan.machine = seen.name
            self.rows.pop(seen.name, None)
        elif not any(each.machine == seen.name for each in self.rows.values()):
            self.rows[seen.name] = Row(name=seen.name, facts=seen.facts, machine=seen.name)

    def _orphan(self, seen: Seen, now_s: float) -> Row | None:
        lost = (row for row in self.rows.values() if row.machine not in self._seen)
        return next((row for row in lost if row.abandoned(now_s) and seen.replaces(row)), None)

    def _stand_in(self, row: Row) -> Seen | None:
        busy = {each.machine for each in self.rows.values() if each.state not in ENDED}
        idle = (seen for seen in self._seen.values() if seen.name not in busy)
        return next((seen for seen in idle if seen.replaces(row)), None)
