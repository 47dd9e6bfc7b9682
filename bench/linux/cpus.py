# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The CPUs that this process may use, and the share of their time that its cgroup grants."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.linux import cgroup, procfs

_MAX: Final = re.compile(r"([0-9]{1,19}) ([1-9][0-9]{0,18})\s*", re.ASCII)

_A_SECOND: Final = {"throttled_usec": 1e6, "throttled_time": 1e9}


def usable(online: Sequence[int]) -> tuple[int, ...]:
    """Return those of ``online`` that this process may run on, ascending.

    The kernel applies a cpuset cgroup to the affinity mask, so that the mask shows both.
    """
    return tuple(sorted(os.sched_getaffinity(0) & {*online}))


def list_format(cpus: Sequence[int]) -> str:
    """Return CPU numbers as the kernel writes them: ``0-2,5``; "" for none."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def quota_of(group: Path) -> float | None:
    """Return the CPUs' worth of time that one cgroup may use; None where it has no limit."""
    found = _MAX.fullmatch(procfs.read(group / "cpu.max") or "")  # v2: "50000 100000" or "max ..."
    if found:
        return int(found[1]) / int(found[2])
    quota_us = procfs.read_number(group / "cpu.cfs_quota_us")  # v1: -1 for no limit
    period_us = procfs.read_number(group / "cpu.cfs_period_us")
    if quota_us is None or not period_us or quota_us < 0:
        return None
    return quota_us / period_us


def quota(homes: Iterable[cgroup.Home]) -> float | None:
    """Return the least quota of these cgroups and their ancestors; None for no limit."""
    groups = (group for home in homes for group in home.lineage())
    return min((found for group in groups if (found := quota_of(group)) is not None), default=None)


def throttled_s() -> float | None:
    """Return the seconds for which quotas have stopped tasks of this process's cgroup so far.

    Of the cgroup and its ancestors the longest, summed over CPUs; None where nobody counts.
    """
    groups = (group for home in cgroup.own("cpu") for group in home.lineage())
    counts = (parse_throttled_s(procfs.read(group / "cpu.stat") or "") for group in groups)
    return max((count for count in counts if count is not None), default=None)


def parse_throttled_s(cpu_stat: str) -> float | None:
    """Return the seconds of ``throttled_usec`` (v2) or ``throttled_time`` (v1, ns)."""
    for line in cpu_stat.splitlines():
        name, _, value = line.partition(" ")
        with suppress(KeyError, ValueError):
            return int(value) / _A_SECOND[name]
    return None


def own_quota() -> float | None:
    """Return the quota of this process."""
    return quota(cgroup.own("cpu"))
