# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make a cgroup that bounds the number of processes of storms.

It is made below bufbench's own, so that what bounds bufbench bounds the storm too, and is removed
on every way out; one that a killed run left is swept by the next start. It bounds only processes: a
cgroup of the CPU controller is a scheduling group, whose share of a busy CPU differs from the
session's (seen: forks three times as quick under load), which would change what is measured.

Source: Documentation/admin-guide, cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.host import scratch
from bench.linux import cgroup, procfs

_PIDS: Final = "pids"
_EMPTY_S: Final = 2.0
_PAUSE_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Bound the processes that are put into a cgroup; made by :func:`made`."""

    folder: Path

    def bound(self, processes: int) -> None:
        """Allow at most this many at once, threads included. Raises OSError."""
        (self.folder / "pids.max").write_text(str(processes))

    def add(self, pid: int) -> None:
        """Put a process into it; OSError if it is gone. What it makes from then on is in it too."""
        (self.folder / "cgroup.procs").write_text(str(pid))


@contextmanager
def made() -> Iterator[Cgroup | None]:
    """Make a cgroup; None where this machine allows none."""
    where = place()
    with ExitStack() as stack:
        group = None
        if where is not None:
            with suppress(OSError):  # read-only, or another user's: the storm runs without one
                group = Cgroup(stack.enter_context(_group(where)))
        yield group


def place() -> Path | None:
    """Return this process's cgroup in which processes can be bounded; None without one."""
    return usable(cgroup.own(_PIDS))


def usable(homes: Iterable[cgroup.Home]) -> Path | None:
    """Return the first cgroup of version 1, or of version 2 that has the pids controller."""
    for home in homes:
        controllers = procfs.read(home.folder / "cgroup.controllers") or ""
        if home.folder.is_dir() and (home.version == 1 or _PIDS in controllers.split()):
            return home.folder
    return None


@contextmanager
def _group(where: Path) -> Iterator[Path]:
    handed = False
    try:
        with scratch.group(where, _remove) as group:
            handed = _hand_over(where, group)
            yield group
    finally:
        _take_back(where, handed=handed)


def _hand_over(where: Path, group: Path) -> bool:
    """Enable the controller for children of ``where``; return whether it was off before. OSError.

    A cgroup that holds processes can enable it only for threaded children, so ``group`` becomes
    threaded where it must: otherwise it would accept no process.
    """
    handed, kind = cgroup.hand_down(where, _PIDS), group / "cgroup.type"
    if procfs.word(kind) == "domain invalid":
        kind.write_text("threaded")
    return handed


def _take_back(where: Path, *, handed: bool) -> None:
    """Disable the controller again, unless others use it, also after a killed run."""
    # Only bufbench enables controllers in a group that holds processes.
    made = handed or procfs.word(where / "cgroup.type") == "domain threaded"
    if made and not any(each.is_dir() for each in where.iterdir()):
        cgroup.take_back(where, _PIDS)


def _remove(folder: Path) -> None:
    """End the processes that are still in it, and remove it."""
    deadline = time.monotonic() + _EMPTY_S
    while time.monotonic() < deadline:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            _kill(folder)
            time.sleep(_PAUSE_S)
        else:
            return


def _kill(folder: Path) -> None:
    for pid in _members(folder):
        with suppress(OSError):
            process = os.pidfd_open(pid)
            try:
                if pid in _members(folder):  # the number was not reused in between
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            finally:
                os.close(process)


def _members(folder: Path) -> Iterable[int]:
    # A threaded cgroup lists its threads only.
    text = procfs.read(folder / "cgroup.procs")
    if text is None:
        text = procfs.read(folder / "cgroup.threads") or ""
    return {int(word) for word in text.split()}
