# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A cgroup for storms, that bounds how many processes and how much CPU time they can take.

It is made below our own, so that whatever bounds us bounds the storm too, and is removed on every
way out; one that a killed run left is swept by the next start. Source: Documentation/admin-guide,
cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import scratch
from bench.machine import procfs

_UNIFIED: Final = ""  # the name under which /proc/self/cgroup has version 2
_PIDS: Final = "pids"
_CPU: Final = "cpu"
_CONTROL: Final = "cgroup.subtree_control"
_PERIOD_US: Final = 100_000
_EMPTY_S: Final = 2.0
_PAUSE_S: Final = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """One folder of version 2, or one for each controller of version 1."""

    folders: Mapping[str, Path]

    def bound(self, *, processes: int, cpus: int) -> None:
        """No more than ``processes`` (threads counted) at once, nor the time of ``cpus`` CPUs."""
        for controller, folder in self.folders.items():
            quota_us = cpus * _PERIOD_US
            if controller in (_UNIFIED, _PIDS):
                _write(folder / "pids.max", str(processes))
            if controller == _UNIFIED:
                _write(folder / "cpu.max", f"{quota_us} {_PERIOD_US}")
            if controller == _CPU:
                _write(folder / "cpu.cfs_quota_us", str(quota_us))

    def add(self, pid: int) -> None:
        """Put a process into it; OSError if it is gone. What it makes from then on is in it too."""
        for folder in self.folders.values():
            (folder / "cgroup.procs").write_text(str(pid))


@contextmanager
def made() -> Iterator[Cgroup | None]:
    """A new cgroup; None where this machine has none for us to make one in."""
    name = f"{scratch.PREFIX}{secrets.token_hex(8)}"
    with ExitStack() as stack:
        folders = {}
        for controller, place in places().items():
            _sweep(place)
            with suppress(OSError):  # read-only, or not ours: the storm does without
                folders[controller] = stack.enter_context(
                    _group(place, name, unified=controller == _UNIFIED)
                )
        yield Cgroup(folders=folders) if folders else None


def places() -> dict[str, Path]:
    """Our own cgroups that can bound, by controller; none on a machine without."""
    return own_folders(procfs.read(procfs.PROC / "self/cgroup") or "", procfs.mounts())


def own_folders(membership: str, mounts: Sequence[procfs.Mount]) -> dict[str, Path]:
    """Our own cgroups that can bound: that of version 2, or those of version 1 by controller.

    ``membership`` is the text of /proc/self/cgroup.
    """
    found: dict[str, Path] = {}
    for line in membership.splitlines():
        number, names, path = line.split(":", 2)
        for mount in mounts:
            if number == "0" and mount.kind == "cgroup2":
                wanted = {_UNIFIED}
            elif mount.kind == "cgroup":
                wanted = {_PIDS, _CPU} & set(names.split(",")) & mount.options
            else:
                continue
            group = Path(path)
            if group.is_relative_to(mount.root):  # a container sees only its part of the tree
                group = group.relative_to(mount.root)
            folder = mount.point / str(group).lstrip("/")
            if folder.is_dir():
                found.update(dict.fromkeys(wanted - found.keys(), folder))
    unified = found.pop(_UNIFIED, None)
    if unified and _PIDS in (procfs.read(unified / "cgroup.controllers") or "").split():
        return {_UNIFIED: unified}
    return found


@contextmanager
def _group(place: Path, name: str, *, unified: bool) -> Iterator[Path]:
    group = place / name
    group.mkdir(mode=0o755)
    handed: list[str] = []
    try:
        lock = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            group.stat()  # a sweep that was quicker has taken it
            if unified:
                handed = _hand_over(place, group)
            yield group
        finally:
            os.close(lock)
    finally:
        _remove(group)
        if unified:
            _take_back(place, handed)


def _hand_over(place: Path, group: Path) -> list[str]:
    """Have ``place`` hand its controllers down; which it did not before. OSError if it cannot.

    A cgroup that holds processes hands them to threaded cgroups only, so that is what ours
    becomes where need be: both can be bound there too.
    """
    before = (procfs.read(place / _CONTROL) or "").split()
    kind = group / "cgroup.type"
    if _PIDS not in before:
        try:
            (place / _CONTROL).write_text(f"+{_PIDS}")
        except OSError:
            kind.write_text("threaded")
            (place / _CONTROL).write_text(f"+{_PIDS}")
    elif (procfs.read(kind) or "").strip() == "domain invalid":  # its brothers are threaded
        kind.write_text("threaded")
    if _CPU not in before:
        _write(place / _CONTROL, f"+{_CPU}")
    return [each for each in (_PIDS, _CPU) if each not in before]


def _take_back(place: Path, handed: Sequence[str]) -> None:
    """What ``place`` handed down for us, or for a run that was killed, unless others use it."""
    if (procfs.read(place / "cgroup.type") or "").strip() == "domain threaded":
        handed = (_PIDS, _CPU)  # nobody else does that to a group that holds processes
    if not any(each.is_dir() for each in place.iterdir()):
        for controller in handed:
            _write(place / _CONTROL, f"-{controller}")


def _write(path: Path, text: str) -> None:
    with suppress(OSError):  # a controller that is missing here binds nothing
        path.write_text(text)


def _sweep(place: Path) -> None:
    for folder in place.glob(f"{scratch.PREFIX}*"):
        lock = scratch.abandoned(folder)
        if lock is not None:
            _remove(folder)
            os.close(lock)


def _remove(folder: Path) -> None:
    """End whoever is still in it; then it can go."""
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
                if pid in _members(folder):  # it was not somebody else's number in between
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            finally:
                os.close(process)


def _members(folder: Path) -> Iterable[int]:
    # A threaded cgroup tells its threads only.
    text = procfs.read(folder / "cgroup.procs")
    if text is None:
        text = procfs.read(folder / "cgroup.threads") or ""
    return {int(word) for word in text.split()}
