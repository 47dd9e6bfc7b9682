# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The cgroups that a process is in, version 1 or 2.

Source: Documentation/admin-guide, cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.linux import procfs

_LONGEST_PATH: Final = 4096


@dataclass(frozen=True, slots=True)
class Home:
    """The cgroup of a process in one hierarchy."""

    mount: procfs.Mount
    folder: Path

    @property
    def version(self) -> int:
        """Return 1 or 2."""
        return 2 if self.mount.kind == "cgroup2" else 1

    def lineage(self) -> Iterator[Path]:
        """Yield the cgroup and its ancestors up to the mount."""
        for group in (self.folder, *self.folder.parents):
            if not group.is_relative_to(self.mount.point):
                break
            yield group


def homes(membership: str, mounts: Sequence[procfs.Mount], *, controller: str) -> Iterator[Home]:
    """Yield the cgroups of a process: those of version 1 with ``controller``, and of version 2.

    ``membership`` is the text of /proc/PID/cgroup.
    """
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for mount in mounts if path.startswith("/") and len(path) < _LONGEST_PATH else ():
            v1 = mount.kind == "cgroup" and controller in controllers.split(",")
            if (v1 and controller in mount.options) or (mount.kind == "cgroup2" and number == "0"):
                yield Home(mount, _within(mount, Path(path)))


def own(controller: str) -> Iterator[Home]:
    """Yield the cgroups of this process."""
    membership = procfs.read(procfs.PROC / "self/cgroup") or ""
    return homes(membership, procfs.mounts(), controller=controller)


def _within(mount: procfs.Mount, group: Path) -> Path:
    if group.is_relative_to(mount.root):  # a container sees only its own part of the tree
        group = group.relative_to(mount.root)
    return mount.point / str(group).lstrip("/")
