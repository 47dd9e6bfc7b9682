# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Where journals are collected: one a machine, and fleet.json with the plan and every row."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Final

from bench.errors import JournalError, UsageError
from bench.fleet.facts import Facts
from bench.fleet.plan import Plan
from bench.fleet.roster import Row, State
from bench.host import ownership

NAME: Final = "fleet.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What fleet.json says of a machine."""

    name: str
    state: State
    reason: str = ""
    machine: str = ""  # that measured, where it was another
    journal: str = ""  # file in the folder; "": none
    sha256: str = ""
    notes: tuple[str, ...] = ()
    facts: Facts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What fleet.json holds."""

    plan: Plan
    machines: tuple[Machine, ...] = ()
    schema: int = 1


class Folder:
    """A folder of one run of a fleet; made by ``opened``."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self.plan = plan

    @classmethod
    def opened(cls, path: Path, plan: Plan, *, resume: bool) -> tuple[Folder, tuple[Row, ...]]:
        """Return the folder, and the rows that are done; with ``resume``, of the same plan alone.

        The plan gets an id here, by which workers know what they have run already.
        """
        there = (path / NAME).exists()
        if there and not resume:
            raise UsageError(
                f"{path} holds a fleet's run", remedy="add --resume, or choose another folder"
            )
        if resume and not there:
            raise UsageError(
                f"{path} holds no fleet's run that could be resumed", remedy="leave out --resume"
            )
        if not there:
            return cls(path, replace(plan, id=token_hex(8))), ()
        content = _read(path / NAME)
        if replace(content.plan, id=plan.id) != plan:
            raise UsageError(
                f"{path} was run with another plan", remedy="repeat its profile and options"
            )
        for each in content.machines:
            _check(path, each)
        return cls(path, content.plan), tuple(
            Row(
                name=each.name,
                state=each.state,
                facts=each.facts,
                machine=each.machine,
                sha256=each.sha256,
                notes=[*each.notes],
            )
            for each in content.machines
            if each.state is State.DONE
        )

    def journal(self, name: str) -> Path:
        """Return the journal of a machine."""
        return self.path / f"{name}.jsonl"

    def keep(self, name: str, journal: bytes) -> None:
        """Write a machine's journal, whole or not at all; JournalError where there is no room."""
        self._write(self.journal(name), journal)

    def save(self, rows: Iterable[Row]) -> None:
        """Write fleet.json."""
        machines = tuple(
            Machine(
                name=row.name,
                state=row.state,
                reason=row.reason,
                machine=row.machine,
                journal=self.journal(row.name).name if row.state is State.DONE else "",
                sha256=row.sha256,
                notes=tuple(row.notes),
                facts=row.facts,
            )
            for row in rows
        )
        content = asdict(Content(plan=self.plan, machines=machines))
        self._write(self.path / NAME, json.dumps(content, indent=1).encode())

    def _write(self, path: Path, content: bytes) -> None:
        partial = path.with_name(f".{path.name}.part")
        try:
            ownership.make_folder(path.parent)
            ownership.write(partial, content)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise JournalError(
                f"{path} cannot be written: {error.strerror}; the workers keep what they measured",
                remedy="make room, then go on with --resume",
            ) from error


def _read(path: Path) -> Content:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(Content).validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read", remedy="choose another folder") from error


def _check(folder: Path, machine: Machine) -> None:
    """Raise UsageError where a journal is not the one that came."""
    if machine.state is not State.DONE:
        return
    path = folder / f"{machine.name}.jsonl"
    if not path.exists() or sha256(path.read_bytes()).hexdigest() != machine.sha256:
        raise UsageError(
            f"{path} is not the journal that {machine.name} gave", remedy="choose another folder"
        )
