# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Give files that root makes under sudo to the user who called sudo.

Only files made here are handed over, by descriptor: never one that existed before, nor the target
of a symbolic link.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_LARGEST_ID = 2**32 - 2  # the next one means "leave unchanged"
_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | _NO_LINK
"""To open a folder without following a link."""


def caller(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Return the user and group that called sudo; None without it."""
    ids = environment.get("SUDO_UID", ""), environment.get("SUDO_GID", "")
    if os.geteuid() == 0 and all(_NUMBER.fullmatch(each) for each in ids):
        user, group = map(int, ids)
        return (user, group) if max(user, group) <= _LARGEST_ID else None
    return None


def opened(path: Path, flags: int) -> tuple[int, bool]:
    """Return a descriptor of the file, and whether this call made it (0644). Raises OSError."""
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        # Without O_CREAT: fs.protected_regular forbids root to open others' files in /tmp with it.
        return os.open(path, flags | os.O_CLOEXEC), False
    _give(descriptor)
    return descriptor, True


def write(path: Path, content: bytes) -> None:
    """Write a file. Raises OSError; if the disk has no room for all of it, nothing is changed."""
    descriptor, made = opened(path, os.O_WRONLY)
    with os.fdopen(descriptor, "wb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            file.write(content)
            return
        try:
            os.posix_fallocate(descriptor, 0, max(len(content), 1))
        except OSError:
            os.ftruncate(descriptor, before.st_size)
            if made:
                path.unlink(missing_ok=True)
            raise
        file.write(content)
        file.truncate()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, if they are missing. Raises OSError."""
    there = next(each for each in (path, *path.parents) if each.exists())
    with folder_below(there.resolve(), path.relative_to(there).parts):
        pass


@contextmanager
def folder_below(folder: Path, names: Iterable[str]) -> Iterator[int]:
    """Yield a descriptor of the folder that ``names`` lead to, made where it is missing.

    Raises OSError where one of them is a link.
    """
    descriptor = os.open(folder, FOLDER)
    try:
        for name in names:
            made = False
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=descriptor)
                made = True
            outer, descriptor = descriptor, os.open(name, FOLDER, dir_fd=descriptor)
            os.close(outer)
            if made:
                _give(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def hand_over(path: Path) -> None:
    """Hand over a file that a library wrote, if it is root's own."""
    ids = caller()
    if ids is None:
        return
    with suppress(OSError):
        descriptor = os.open(path, os.O_PATH | _NO_LINK)  # not opened: it may be a device
        try:
            seen = os.fstat(descriptor)
            if stat.S_ISREG(seen.st_mode) and seen.st_uid == os.geteuid() and seen.st_nlink == 1:
                os.chown(f"/proc/self/fd/{descriptor}", *ids)
        finally:
            os.close(descriptor)


def hand_over_all(folder: Path) -> None:
    """Hand over the files directly in a folder of bufbench, once their writer has ended."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            hand_over(path)


def _give(descriptor: int) -> None:
    ids = caller()
    if ids is not None:
        with suppress(OSError):  # some file systems have a single owner
            os.fchown(descriptor, *ids)
