# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write an initial RAM disk, in cpio's format "newc"; it may be too large to hold in memory.

It has no times, owners or inodes of files: the same contents give the same bytes.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

_FOLDER: Final = stat.S_IFDIR | 0o755
_LINK: Final = stat.S_IFLNK | 0o777
_END: Final = "TRAILER!!!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Describe a file, a folder or a symbolic link at an absolute path of the guest."""

    path: str
    mode: int = _FOLDER  # its kind and its permissions
    content: bytes | Path = b""  # of a link: its target


def file(path: str, content: bytes | Path, permissions: int = 0o644) -> Entry:
    """Return an ordinary file."""
    return Entry(path=path, mode=stat.S_IFREG | permissions, content=content)


def copy(path: Path) -> Entry:
    """Return a file or link of this machine, for the same path in the guest."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return Entry(path=str(path), mode=_LINK, content=str(path.readlink()).encode())
    return file(str(path), path, 0o755 if mode & stat.S_IXUSR else 0o644)


def write(to: BinaryIO, entries: Iterable[Entry]) -> None:
    """Write the disk: folders before what is in them, each path once, in the order of paths."""
    by_path = {each.path: each for each in entries}
    for path in [*by_path]:
        for above in PurePosixPath(path).parents:
            by_path.setdefault(str(above), Entry(path=str(above)))
    by_path.pop("/", None)
    for _, each in sorted(by_path.items()):
        _write(to, each.path.lstrip("/"), each.mode, each.content)
    _write(to, _END, 0, b"")


def _write(to: BinaryIO, name: str, mode: int, content: bytes | Path) -> None:
    path = name.encode() + b"\0"
    length = len(content) if isinstance(content, bytes) else content.stat().st_size
    # inode, mode, user, group, links, time, size, four numbers of devices, length of the name
    fields = (0, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    to.write(header + bytes(-len(header) % 4))
    if isinstance(content, bytes):
        to.write(content)
    else:
        with content.open("rb") as source:
            shutil.copyfileobj(source, to, 1 << 20)
    to.write(bytes(-length % 4))
