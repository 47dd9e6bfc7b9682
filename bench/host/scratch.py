# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make private temporary folders in one place; those of dead owners are removed at the next start.

A folder belongs to the process that holds a lock on it (flock(2)). The kernel drops the lock
however its holder ends; PIDs, which are reused, play no role.
"""

from __future__ import annotations

import ctypes as ct
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import ENOENT
from pathlib import Path
from typing import Final

from bench.linux import procfs, refusal

PREFIX: Final = "bufbench."

_SYSTEM: Final = Path("/run/bufbench")
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MNT_DETACH: Final = 2
_UMOUNT_NOFOLLOW: Final = 8


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder that only this user can enter; it is removed with its contents.

    Folders that killed runs left behind are removed first. Raises MachineUnfit.
    """
    sweep()
    path, lock = _made()
    try:
        yield path
    finally:
        _remove(path)
        os.close(lock)


@contextmanager
def group(where: Path, remove: Callable[[Path], None]) -> Iterator[Path]:
    """Make a cgroup in ``where``; ``remove`` removes killed runs' first, and this one at the end.

    Raises OSError.
    """
    for left in abandoned_in(where):
        remove(left)
    made = where / f"{PREFIX}{secrets.token_hex(8)}"
    made.mkdir(mode=0o755)
    try:
        if (lock := locked(made)) is None:  # another process's sweep has taken it
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(made))
        try:
            yield made
        finally:
            os.close(lock)
    finally:
        remove(made)


def sweep() -> None:
    """Remove folders whose owner is dead, and mounts inside; takes below 1 ms without any."""
    for place in _places():
        for path in abandoned_in(place):
            _remove(path)


def abandoned_in(place: Path) -> Iterator[Path]:
    """Yield bufbench's folders in ``place`` whose owner is dead, each locked meanwhile."""
    for path in sorted(place.glob(f"{PREFIX}*")):
        lock = abandoned(path)
        if lock is not None:
            try:
                yield path
            finally:
                os.close(lock)


def abandoned(path: Path) -> int | None:
    """Return a locked descriptor of a folder of bufbench that no process holds; None for others."""
    try:
        descriptor = os.open(path, _FOLDER)
    except OSError:  # a symbolic link, a file, or gone by now
        return None
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:  # its owner lives
        pass
    os.close(descriptor)
    return None


def _places() -> Iterator[Path]:
    """Yield where folders may be made: root's own place, then the usual one."""
    if os.geteuid() == 0 and _SYSTEM.parent.is_dir():
        with suppress(OSError):
            _SYSTEM.mkdir(mode=0o700, exist_ok=True)
            if _is_private(_SYSTEM):
                yield _SYSTEM
    with suppress(OSError):
        yield Path(tempfile.gettempdir())


def _is_private(place: Path) -> bool:
    """Return whether it is a folder, not a link, to which only its owner can write."""
    seen = place.lstat()
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid() and not seen.st_mode & 0o022


def _made() -> tuple[Path, int]:
    last = OSError("no folder can be written")
    for place in _places():
        try:
            while True:
                path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))  # 0700, a random name
                lock = locked(path)
                if lock is not None:
                    return path, lock
        except OSError as error:
            last = error
    raise refusal.refused(
        "there is no place for temporary files", last,
        remedy=refusal.remedy_for(last.errno or 0) or "make room in /tmp, or set TMPDIR",
    )  # fmt: skip


def locked(path: Path) -> int | None:
    """Return a locked descriptor of the folder just made; None if a sweep removed it first."""
    try:
        lock = os.open(path, _FOLDER)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), path.lstat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def _remove(path: Path) -> None:
    inside = [mount.point for mount in procfs.mounts() if mount.point.is_relative_to(path)]
    for point in reversed(inside):  # the last one lies on top
        ct.CDLL(None).umount2(os.fsencode(point), _MNT_DETACH | _UMOUNT_NOFOLLOW)
    # Errors are ignored: cleaning up after a failure must not raise another one.
    shutil.rmtree(path, ignore_errors=True)
