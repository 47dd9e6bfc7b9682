# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the cgroups of a process, version 1 or 2, and the limits on it.

Source: Documentation/admin-guide, cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

import re
import resource
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.linux import procfs

_CONTROL: Final = "cgroup.subtree_control"
_LONGEST_PATH: Final = 4096
_MAX: Final = re.compile(r"([0-9]{1,19}) ([1-9][0-9]{0,18})\s*", re.ASCII)
_A_SECOND: Final = {"throttled_usec": 1e6, "throttled_time": 1e9}


@dataclass(frozen=True, slots=True)
class Home:
    """Name the cgroup of a process in one hierarchy."""

    mount: procfs.Mount
    folder: Path

    @property
    def version(self) -> int:
        """Return 1 or 2."""
        return 2 if self.mount.kind == "cgroup2" else 1


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
                group = Path(path)
                if group.is_relative_to(mount.root):  # a container sees its own part of the tree
                    group = group.relative_to(mount.root)
                yield Home(mount, mount.point / str(group).lstrip("/"))


def own(controller: str) -> Iterator[Home]:
    """Yield the cgroups of this process."""
    membership = procfs.read(procfs.PROC / "self/cgroup") or ""
    return homes(membership, procfs.mounts(), controller=controller)


def lineage(homes: Iterable[Home]) -> Iterator[Path]:
    """Yield these cgroups and their ancestors up to the mount."""
    for home in homes:
        for group in (home.folder, *home.folder.parents):
            if not group.is_relative_to(home.mount.point):
                break
            yield group


def hand_down(group: Path, controller: str) -> bool:
    """Enable a controller for a cgroup's children; return whether it was off before. OSError."""
    control = group / _CONTROL
    before = procfs.read(control)
    if before is None or controller in before.split():  # in version 1 all are on
        return False
    control.write_text(f"+{controller}")
    return True


def take_back(group: Path, controller: str) -> None:
    """Undo :func:`hand_down`, unless others use it by now."""
    with suppress(OSError):
        (group / _CONTROL).write_text(f"-{controller}")


def quota_of(group: Path) -> float | None:
    """Return how many CPUs' time one cgroup may use; None without a limit."""
    found = _MAX.fullmatch(procfs.read(group / "cpu.max") or "")  # v2: "50000 100000" or "max ..."
    if found:
        return int(found[1]) / int(found[2])
    quota_us = procfs.read_number(group / "cpu.cfs_quota_us")  # v1: -1 for no limit
    period_us = procfs.read_number(group / "cpu.cfs_period_us")
    return None if quota_us is None or not period_us or quota_us < 0 else quota_us / period_us


def quota(homes: Iterable[Home]) -> float | None:
    """Return the least quota of these cgroups and their ancestors; None for no limit."""
    quotas = map(quota_of, lineage(homes))
    return min((each for each in quotas if each is not None), default=None)


def throttled_s() -> float | None:
    """Return the seconds for which quotas have throttled this process's cgroup so far.

    The longest of the cgroup and its ancestors, summed over CPUs; None where it is not counted.
    """
    texts = (procfs.read(group / "cpu.stat") or "" for group in lineage(own("cpu")))
    counts = map(parse_throttled_s, texts)
    return max((count for count in counts if count is not None), default=None)


def parse_throttled_s(cpu_stat: str) -> float | None:
    """Return the seconds of ``throttled_usec`` (v2) or ``throttled_time`` (v1, ns)."""
    for line in cpu_stat.splitlines():
        name, _, value = line.partition(" ")
        with suppress(KeyError, ValueError):
            return int(value) / _A_SECOND[name]
    return None


@dataclass(frozen=True, slots=True, order=True)
class ProcessLimit:
    """Hold a limit on processes and its source."""

    processes: int
    source: str


def process_limits(homes: Iterable[Home]) -> Iterator[ProcessLimit]:
    """Yield every pids.max from these cgroups up; "max" is no limit."""
    for group in lineage(homes):
        if (limit := procfs.read_number(group / "pids.max")) is not None:
            yield ProcessLimit(limit, str(group / "pids.max"))


def tightest_process_limit() -> ProcessLimit:
    """Return the tightest limit on processes that applies to this one."""
    sysctls = {name: procfs.sysctl(name) for name in ("kernel.pid_max", "kernel.threads-max")}
    limits = list(process_limits(own("pids")))
    limits += [ProcessLimit(each, name) for name, each in sysctls.items() if each is not None]
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY:
        limits.append(ProcessLimit(soft, "ulimit -u"))
    return min(limits)
