# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One measurement at a time: two would disturb each other, and neither journal would say so.

The lock is flock(2)'s, which the kernel drops however its holder ends, on the one inode that all
anonymous files of a kernel share (eventfd(2) gives a descriptor of it). Every process has it
whatever its root folder, its namespaces or its user. Beside it a file names the holder, and is
locked too; it is all there is where a kernel gives each anonymous file an inode of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.errors import Busy, MachineUnfit
from bench.escape import in_a_line
from bench.linux import procfs

_SYSTEM: Final = Path("/run/bufbench.lock")


@contextmanager
def held(
    command_line: Sequence[str], *, wait: bool = False, path: Path | None = None
) -> Iterator[None]:
    """Keep every other measurement on this kernel away for as long as the context lasts.

    With ``path``, only those that name the same file. Raises Busy, naming the holder, where
    it is held and ``wait`` is not set; MachineUnfit where there is no place for the file, or
    the file belongs to another user.
    """
    with ExitStack() as stack:
        place = path or _place()
        if path is None:
            stack.enter_context(_kernel_wide(place, wait=wait))
        descriptor = _opened(place)
        stack.callback(os.close, descriptor)
        _take(descriptor, lambda: _holder(descriptor), wait=wait)
        _name(descriptor, command_line)
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)


@contextmanager
def _kernel_wide(place: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock that all processes of this kernel see."""
    descriptor = _anonymous()
    if descriptor is None:
        print(
            "bufbench: this kernel has no lock that containers share: a measurement in another "
            "one would not be seen",
            file=sys.stderr,
        )
        yield
        return
    try:
        _take(descriptor, lambda: _holder_anywhere(place, descriptor), wait=wait)
        yield
    finally:
        os.close(descriptor)


def _anonymous() -> int | None:
    """Return a descriptor of the inode that anonymous files share; None where they do not."""
    first, second = (os.eventfd(0, os.EFD_CLOEXEC) for _ in range(2))
    shared = os.path.samestat(os.fstat(first), os.fstat(second))
    os.close(second)
    if shared:
        return first
    os.close(first)
    return None


def _place() -> Path:
    if os.geteuid() == 0 and os.access(_SYSTEM.parent, os.W_OK):
        return _SYSTEM
    return Path(tempfile.gettempdir()) / f"bufbench-{os.geteuid()}.lock"


def _opened(place: Path) -> int:
    """Return a descriptor of the file, made if it is missing; never what a link leads to."""
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


def _take(descriptor: int, holder: Callable[[], str], *, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        busy = f"another measurement is running: {holder()}"
        if not wait:
            raise Busy(busy, remedy="add --wait, or end it") from None
        print(f"bufbench: waiting, {busy}", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _name(descriptor: int, command_line: Sequence[str]) -> None:
    holder = _Holder(
        pid=os.getpid(),
        pid_namespace=procfs.namespace("pid"),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join(command_line),
    )
    with suppress(OSError):  # a full disk does not keep us from having the lock
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Holder:
    """What a holder's file says of it."""

    pid: int
    since: str
    command: str
    pid_namespace: int | None = None  # inode; None: written by a version that did not know it

    @property
    def elsewhere(self) -> bool:
        """Return whether the pid is a number of another PID namespace than this process's."""
        return self.pid_namespace not in (None, procfs.namespace("pid"))

    def __str__(self) -> str:
        number = f"process {self.pid}" + (" of another PID namespace" if self.elsewhere else "")
        return f"{number} since {in_a_line(self.since)}, {in_a_line(self.command)}"


def _read(descriptor: int) -> _Holder | None:
    """Return who holds it; None where the file does not say, taken just now or on a full disk."""
    from pydantic import TypeAdapter  # which only those who wait need

    with suppress(OSError, ValueError):
        return TypeAdapter(_Holder).validate_json(os.pread(descriptor, 1 << 16, 0))
    return None


def _holder(descriptor: int) -> str:
    return str(_read(descriptor) or "it does not say which")


def _holder_anywhere(place: Path, descriptor: int) -> str:
    """Describe the holder of the kernel-wide lock: by its file where that fits, else by pid."""
    pid = locked_by(procfs.read(procfs.PROC / "locks") or "", os.fstat(descriptor))
    with suppress(MachineUnfit):
        file = _opened(place)
        named = _read(file)
        os.close(file)
        if named and (named.elsewhere if pid is None else pid == named.pid):
            return str(named)
    if pid is None:
        return "in a PID namespace (a container) that this process cannot look into"
    words = (procfs.read(procfs.PROC / str(pid) / "cmdline") or "").rstrip("\0").split("\0")
    return f"process {pid}, {in_a_line(shlex.join(words))}"


def locked_by(locks: str, seen: os.stat_result) -> int | None:
    """Return the pid that /proc/locks gives for an flock on this file; None if it shows none.

    It leaves out holders that the reader's PID namespace does not contain.
    """
    file = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    for line in locks.splitlines():
        match line.split():
            case [_, "FLOCK", _, "WRITE", pid, where, *_] if where == file and pid.isdecimal():
                return int(pid)
    return None
