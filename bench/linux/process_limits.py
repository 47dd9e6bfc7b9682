# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How many processes this machine allows at once."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bench.linux import cgroup, procfs


@dataclass(frozen=True, slots=True, order=True)
class ProcessLimit:
    """One bound on processes and its source."""

    processes: int
    source: str


def cgroup_limits(homes: Iterable[cgroup.Home]) -> Iterator[ProcessLimit]:
    """Yield every pids.max from these cgroups up; "max" is no limit."""
    for group in (group for home in homes for group in home.lineage()):
        limit = procfs.read_number(group / "pids.max")
        if limit is not None:
            yield ProcessLimit(limit, str(group / "pids.max"))


def tightest() -> ProcessLimit:
    """Return the least of the bounds that hold for this process."""
    limits = list(cgroup_limits(cgroup.own("pids")))
    for name in ("kernel.pid_max", "kernel.threads-max"):
        value = procfs.sysctl(name)
        if value is not None:
            limits.append(ProcessLimit(value, name))
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY:
        limits.append(ProcessLimit(soft, "ulimit -u"))
    return min(limits)
