# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Enter a memory cgroup, v1 or v2, so that only this process is charged there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from bench.host import scratch
from bench.host.signals import uninterrupted
from bench.linux import cgroup, procfs


class NoMemoryGroup(Exception):
    """Report that no memory cgroup can be made here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """Describe a hierarchy of memory cgroups, and where this process is in it."""

    root: Path  # where a new group is made
    home: Path  # of this process
    usage: str  # the file with the charge


def place(homes: Iterable[cgroup.Home]) -> Hierarchy | None:
    """Return where memory is charged, version 1 before 2; None if nowhere."""
    home = min(homes, key=attrgetter("version"), default=None)
    if home is None:
        return None
    if home.version == 1:
        return Hierarchy(root=home.folder, home=home.folder, usage="memory.usage_in_bytes")
    # Only the root may have both processes and groups that are charged apart.
    return Hierarchy(root=home.mount.point, home=home.folder, usage="memory.current")


@contextmanager
def entered() -> Iterator[Callable[[], int]]:
    """Move this process into a new group, and back afterwards. Raises NoMemoryGroup.

    Yields a function that returns the bytes charged to the group.
    """
    where = place(cgroup.own("memory"))
    if where is None:
        raise NoMemoryGroup("no memory cgroup is mounted")
    with contextlib.ExitStack() as stack:
        try:
            if cgroup.hand_down(where.root, "memory"):
                stack.callback(cgroup.take_back, where.root, "memory")
            group = stack.enter_context(scratch.group(where.root, _remove))
            with uninterrupted():
                (group / "cgroup.procs").write_text(str(os.getpid()))
                stack.callback((where.home / "cgroup.procs").write_text, str(os.getpid()))
        except OSError as error:
            raise NoMemoryGroup(f"{error.filename or where.root}: {error.strerror}") from error
        if procfs.read_number(group / where.usage) is None:
            raise NoMemoryGroup(f"{where.root}: groups here are not charged for memory")
        yield lambda: procfs.read_number(group / where.usage) or 0


def _remove(group: Path) -> None:
    with contextlib.suppress(OSError):  # it may stay
        group.rmdir()
