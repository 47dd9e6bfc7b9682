# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Allow one measurement at a time: two would disturb each other, and neither journal would show it.

The lock is flock(2)'s, which the kernel drops however its holder ends, on the one inode that all
anonymous files of a kernel share (eventfd(2) gives a descriptor of it). Every process reaches it,
whatever its root folder, namespaces or user. On kernels that give each anonymous file its own
inode, a regular file is locked instead.

A program that measures for the holder inherits the descriptor, so that there is no gap between the
two in which another measurement could begin.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from bench.errors import Busy, MachineUnfit, in_a_line
from bench.linux import procfs

LENT: Final = "BUFBENCH_LOCK"
"""The variable with the number of an inherited descriptor of the lock."""
_SYSTEM: Final = Path("/run/bufbench.lock")


@contextmanager
def held(*, wait: bool = False, path: Path | None = None) -> Iterator[int]:
    """Hold the lock: no other measurement runs on this kernel while the context lasts.

    Yields its descriptor, which may be lent to a program that measures meanwhile.

    With ``path``, only measurements that name the same file are excluded. Raises Busy, naming the
    holder, if the lock is held and ``wait`` is not set; MachineUnfit if the file cannot be made
    or belongs to another user.
    """
    descriptor = _of_kernel() if path is None else _opened(path)
    try:
        _take(descriptor, wait=wait)
        yield descriptor
    finally:
        os.close(descriptor)


def _of_kernel() -> int:
    """Return a descriptor of the kernel's lock: the inherited one, if any."""
    descriptor = _anonymous()
    with suppress(KeyError, ValueError, OSError):
        lent = int(os.environ[LENT])
        if os.path.samestat(os.fstat(lent), os.fstat(descriptor)):
            os.dup2(lent, descriptor, inheritable=False)
    return descriptor


def _anonymous() -> int:
    """Return a descriptor of the inode that anonymous files share; else, of a regular file."""
    first, second = (os.eventfd(0, os.EFD_CLOEXEC) for _ in range(2))
    shared = os.path.samestat(os.fstat(first), os.fstat(second))
    os.close(second)
    if shared:
        return first
    os.close(first)
    print(
        "bufbench: this kernel has no lock that containers share: a measurement in another "
        "container would go unnoticed",
        file=sys.stderr,
    )
    return _opened(_place())


def _place() -> Path:
    if os.geteuid() == 0 and os.access(_SYSTEM.parent, os.W_OK):
        return _SYSTEM
    return Path(tempfile.gettempdir()) / f"bufbench-{os.geteuid()}.lock"


def _opened(place: Path) -> int:
    """Return a descriptor of the file, made if it is missing; links are not followed."""
    try:
        descriptor = os.open(
            place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600
        )
    except OSError as error:
        raise MachineUnfit(
            f"the lock {place} cannot be opened: {error.strerror}", remedy="remove what is there"
        ) from error
    seen = os.fstat(descriptor)
    if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_nlink != 1:
        os.close(descriptor)
        raise MachineUnfit(
            f"the lock {place} belongs to another user", remedy="remove what is there"
        )
    return descriptor


def _take(descriptor: int, *, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        locks = procfs.read(procfs.PROC / "locks") or ""
        busy = f"another measurement is running: {_named(locked_by(locks, os.fstat(descriptor)))}"
        if not wait:
            raise Busy(busy, remedy="add --wait, or end it") from None
        print(f"bufbench: waiting, {busy}", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def locked_by(locks: str, seen: os.stat_result) -> int | None:
    """Return the pid that /proc/locks gives for an flock on this file; None if it shows none.

    The file omits holders outside the reader's PID namespace.
    """
    file = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    for line in locks.splitlines():
        match line.split():
            case [_, "FLOCK", _, "WRITE", pid, where, *_] if where == file and pid.isdecimal():
                return int(pid)
    return None


def _named(pid: int | None) -> str:
    """Describe the holder: its PID, start time and command."""
    if pid is None:
        return "in a PID namespace (a container) that this process cannot look into"
    with suppress(psutil.Error):
        holder = psutil.Process(pid)
        since = datetime.fromtimestamp(holder.create_time(), UTC).isoformat(timespec="seconds")
        words = holder.cmdline()
        script = next((at for at, word in enumerate(words) if Path(word).name == "bufbench"), 0)
        return f"process {pid} since {since}, {in_a_line(shlex.join(words[script:]))}"
    return f"process {pid}"
