# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Serve a folder of the host to a guest with virtiofs, read-only or read-write.

    python -m bench.guests.share FD FOLDER ro|rw
    python -m bench.guests.share check

FD is a listening socket; "check" only tests whether it would work. The guest cannot undo read-only:
the daemon itself runs where every mount is read-only, so that even a compromised daemon can change
nothing.
"""

from __future__ import annotations

import ctypes as ct
import os
import select
import struct
import sys
from pathlib import Path
from typing import Final

from bench.host import process
from bench.linux import libc

PLACES: Final = (
    Path("/usr/libexec/virtiofsd"),  # Debian 13, Ubuntu 24.04, Fedora
    Path("/usr/lib/virtiofsd"),  # Arch
    Path("/usr/lib/qemu/virtiofsd"),  # Debian 12, part of QEMU
)

_HERE: Final = -100  # AT_FDCWD
_RECURSIVE: Final = 0x8000  # AT_RECURSIVE
_READ_ONLY: Final = 1  # MOUNT_ATTR_RDONLY
_ATTR: Final = struct.Struct("=QQQQ")  # struct mount_attr: set, cleared, propagation, user ns


def words(program: Path, descriptor: str, folder: str, *, writable: bool) -> list[str]:
    """Return the daemon's command line. The one in C, of QEMU before 8.0, has other options."""
    cache = "auto" if writable else "always"
    said = process.run([program, "--help"], timeout_s=10, check=False)
    if "--shared-dir" in said.stdout + said.stderr:
        options = ["--shared-dir", folder, "--cache", cache, "--sandbox", "none"]
    else:
        settings = (f"source={folder}", f"cache={cache}", "sandbox=chroot")
        options = [word for setting in settings for word in ("-o", setting)]
        options.append("--thread-pool-size=0")
    return [str(program), f"--fd={descriptor}", *options]


def wall_in() -> None:
    """Make every mount read-only for this process and its children. OSError if that fails."""
    libc.unshare_mounts()
    attributes = ct.create_string_buffer(_ATTR.pack(_READ_ONLY, 0, 0, 0))
    where = (_HERE, b"/", _RECURSIVE)
    libc.call("syscall", libc.SYS_MOUNT_SETATTR, *where, attributes, _ATTR.size)


def main() -> None:
    """Run the command lines above; the daemon replaces this process."""
    program = next((path for path in PLACES if os.access(path, os.X_OK)), None)
    if program is None:
        sys.exit("there is no virtiofsd")
    if sys.argv[1] == "check":
        wall_in()
        return
    # It ends with its guest or, if that never started, with the harness.
    libc.end_with_parent()
    if select.select([0], [], [], 0)[0]:
        return  # the harness had gone before
    descriptor, folder, access = sys.argv[1:]
    argv = words(program, descriptor, folder, writable=access == "rw")
    if access != "rw":
        wall_in()
    os.execv(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main()
