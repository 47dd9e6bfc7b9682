# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Collect journals in a folder: one per machine, and fleet.json with the plan and every row."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Final

from bench.errors import JournalError, UsageError
from bench.fleet.plan import Plan
from bench.fleet.roster import Assignment, Row, State
from bench.host import ownership
from bench.journal.files import write_whole
from bench.report.document import pick

NAME: Final = "fleet.json"
_ANOTHER: Final = "choose another folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Hold the content of fleet.json."""

    plan: Plan
    machines: tuple[Row, ...] = ()
    schema: int = 1


class Folder:
    """Keep one run of a fleet in a folder; made by ``opened``."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self.plan = plan

    @classmethod
    @contextmanager
    def opened(
        cls, path: Path, plan: Plan, *, resume: bool
    ) -> Iterator[tuple[Folder, tuple[Row, ...]]]:
        """Yield the folder, and the rows that are done; with ``resume``, only of the same plan.

        The plan gets an id here, by which workers recognise what they have run already. Another run
        is refused as long as this one lasts: workers would repeat what the other has fetched.
        """
        made = not path.exists()
        try:
            if made:
                ownership.make_folder(path)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(f"{path} cannot be used: {error.strerror}", remedy=_ANOTHER) from error
        try:
            _lock(path, descriptor)
            folder = cls(path, plan)
            yield folder, folder._begin(resume=resume)
        finally:
            os.close(descriptor)
            if made:
                with suppress(OSError):  # it is not empty
                    path.rmdir()

    def _begin(self, *, resume: bool) -> tuple[Row, ...]:
        path, plan = self.path, self.plan
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
            if foreign := sorted(path.glob("*.jsonl")):
                raise UsageError(f"{foreign[0]} is there already", remedy=_ANOTHER)
            self.plan = replace(plan, id=token_hex(8))
            return ()
        content = _read(path / NAME)
        if replace(content.plan, id=plan.id) != plan:
            raise UsageError(
                f"{path} was run with another plan", remedy="repeat its profile and options"
            )
        self.plan = content.plan
        done = tuple(each for each in content.machines if each.state is State.DONE)
        for row in done:
            journal = self.journal(row.name)
            if not journal.exists() or sha256(journal.read_bytes()).hexdigest() != row.sha256:
                raise UsageError(
                    f"{journal} is not the journal that {row.name} sent",
                    remedy=_ANOTHER,
                )
        return done

    def journal(self, name: str) -> Path:
        """Return the journal of a machine."""
        return self.path / f"{name}.jsonl"

    def keep(self, row: Row, journal: bytes) -> None:
        """Write a machine's journal, whole or not at all; JournalError if there is no room."""
        self._write(self.journal(row.name), journal)
        row.journal, row.state, row.reason = self.journal(row.name).name, State.DONE, ""

    def save(self, rows: Iterable[Row]) -> None:
        """Write fleet.json."""
        content = {
            "plan": asdict(self.plan),
            "machines": [asdict(pick(Assignment, row)) for row in rows],
            "schema": 1,
        }
        self._write(self.path / NAME, json.dumps(content, indent=1).encode())

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_whole(path, content)
        except OSError as error:
            raise JournalError(
                f"{path} cannot be written: {error.strerror}; the workers keep what they measured",
                remedy="make room, then continue with --resume",
            ) from error


def _lock(path: Path, descriptor: int) -> None:
    """Lock a folder; UsageError if another run holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another fleet run writes to {path}", remedy=_ANOTHER) from error
    except OSError:
        pass  # NFS cannot lock a folder


def _read(path: Path) -> Content:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(Content).validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read", remedy=_ANOTHER) from error
