# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How many processes at once this machine allows us, and the cgroups that say so."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.linux import procfs

_LONGEST_PATH: Final = 4096


@dataclass(frozen=True, slots=True, order=True)
class ProcessLimit:
    """One bound on processes and who sets it."""

    processes: int
    source: str


def cgroups(membership: str, mounts: Sequence[procfs.Mount], *, controller: str) -> Iterator[Path]:
    """Yield the cgroup of a process and its ancestors under ``controller``, for v1 and v2.

    ``membership`` is the text of /proc/PID/cgroup.
    """
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for mount in mounts if path.startswith("/") and len(path) < _LONGEST_PATH else ():
            v1 = mount.kind == "cgroup" and controller in controllers.split(",")
            if (v1 and controller in mount.options) or (mount.kind == "cgroup2" and number == "0"):
                yield from _ancestors(mount, path)


def _ancestors(mount: procfs.Mount, path: str) -> Iterator[Path]:
    """Yield the group at ``path`` and its ancestors up to the mount."""
    group = Path(path)
    if group.is_relative_to(mount.root):  # a container sees only its own part of the tree
        group = group.relative_to(mount.root)
    here = mount.point / str(group).lstrip("/")
    for group in (here, *here.parents):
        if not group.is_relative_to(mount.point):
            break
        yield group


def cgroup_limits(membership: str, mounts: Sequence[procfs.Mount]) -> Iterator[ProcessLimit]:
    """Every pids.max along the ancestors of a process; "max" is no limit."""
    for group in cgroups(membership, mounts, controller="pids"):
        limit = procfs.read_number(group / "pids.max")
        if limit is not None:
            yield ProcessLimit(limit, str(group / "pids.max"))


def tightest() -> ProcessLimit:
    """The least of all bounds on processes that hold for this one."""
    limits = list(cgroup_limits(procfs.read(procfs.PROC / "self/cgroup") or "", procfs.mounts()))
    for name in ("kernel.pid_max", "kernel.threads-max"):
        value = procfs.sysctl(name)
        if value is not None:
            limits.append(ProcessLimit(value, name))
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY:
        limits.append(ProcessLimit(soft, "ulimit -u"))
    return min(limits)
