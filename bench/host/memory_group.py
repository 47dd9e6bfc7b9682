# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A memory cgroup of our own, v1 or v2, so that the charge seen is this process's alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from bench.host import scratch
from bench.linux import cgroup, procfs


class NoMemoryGroup(Exception):
    """This machine gives us no memory cgroup; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Name where memory cgroups are made, and where this process is now."""

    root: Path  # where a new group is made
    home: Path  # of this process
    usage: str  # the file with the charge
    version: int


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """The group that this process is in."""

    usage: Path

    def usage_bytes(self) -> int:
        """What is charged to the group."""
        return procfs.read_number(self.usage) or 0


def place(homes: Iterable[cgroup.Home]) -> Place | None:
    """Return where memory is charged, version 1 before 2; None if nowhere."""
    home = min(homes, key=attrgetter("version"), default=None)
    if home is None:
        return None
    if home.version == 1:
        return Place(root=home.folder, home=home.folder, usage="memory.usage_in_bytes", version=1)
    # Only the root may have both processes and groups that are charged apart.
    return Place(root=home.mount.point, home=home.folder, usage="memory.current", version=2)


@contextmanager
def entered() -> Iterator[MemoryGroup]:
    """This process in a group of its own, and back where it was after. NoMemoryGroup if not."""
    where = place(cgroup.own("memory"))
    if where is None:
        raise NoMemoryGroup("no memory cgroup is mounted")
    for folder in scratch.abandoned_in(where.root):
        _removed(folder)  # of a run that was killed; nobody is left in it
    ours = where.root / f"{scratch.PREFIX}{secrets.token_hex(8)}"
    with contextlib.ExitStack() as stack:
        try:
            if where.version == 2:
                stack.enter_context(_controlled(where.root))
            ours.mkdir()
            stack.callback(_removed, ours)
            stack.callback(os.close, _locked(ours))
            (ours / "cgroup.procs").write_text(str(os.getpid()))
            stack.callback((where.home / "cgroup.procs").write_text, str(os.getpid()))
        except OSError as error:
            raise NoMemoryGroup(f"{error.filename or ours}: {error.strerror}") from error
        if procfs.read_number(ours / where.usage) is None:
            raise NoMemoryGroup(f"{where.root}: groups here are not charged for memory")
        yield MemoryGroup(ours / where.usage)


@contextmanager
def _controlled(root: Path) -> Iterator[None]:
    """Memory is charged to each group within ``root``; as it was after."""
    switch = root / "cgroup.subtree_control"
    if "memory" in (procfs.read(switch) or "").split():
        yield
        return
    switch.write_text("+memory")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # somebody else has come to use it
            switch.write_text("-memory")


def _locked(group: Path) -> int:
    """A descriptor that says, as long as it is open, that somebody still uses the group."""
    lock = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _removed(group: Path) -> None:
    with contextlib.suppress(OSError):  # it costs nothing if it stays
        group.rmdir()
