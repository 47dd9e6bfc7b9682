# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read which CPUs this process may use, its scheduling, and their idle states and frequency.

An open /dev/cpu_dma_latency bounds the exit latency of the idle states that CPUs may enter
(Documentation/admin-guide/pm/cpuidle.rst).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.linux import procfs

USUAL: Final = "other"

_POLICIES: Final = (USUAL, "fifo", "round-robin", "batch", "", "idle", "deadline", "extensible")
_RESET_ON_FORK: Final = 0x40000000
_LATENCY: Final = Path("/dev/cpu_dma_latency")
_IDLE: Final = procfs.SYS / "devices/system/cpu/cpuidle"
_NODES: Final = procfs.SYS / "devices/system/node"
_CPU: Final = procfs.SYS / "devices/system/cpu/cpu0"


def usable() -> tuple[int, ...]:
    """Return the online CPUs that this process may run on, ascending.

    The kernel applies a cpuset cgroup to the affinity mask, so that the mask shows both.
    """
    return tuple(sorted(os.sched_getaffinity(0) & {*procfs.online_cpus()}))


def nodes() -> tuple[tuple[int, ...], ...]:
    """Return the CPUs of each NUMA node that has any; () where the kernel knows of no nodes."""
    found = sorted(_NODES.glob("node[0-9]*/cpulist"))
    return tuple(filter(None, (procfs.parse_cpu_list(procfs.word(each)) for each in found)))


def list_format(cpus: Sequence[int]) -> str:
    """Return CPU numbers as the kernel writes them: ``0-2,5``; "" for none."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def describe_scheduling(policy: int, priority: int, nice: int) -> str:
    """Return in words what sched_getscheduler(2), sched_getparam(2) and getpriority(2) report."""
    number = policy & ~_RESET_ON_FORK
    name = _POLICIES[number] if number < len(_POLICIES) else ""
    words = [name or f"policy {number}"]
    words += [f"priority {priority}"] if priority else []
    words += [f"nice {nice}"] if nice else []
    return ", ".join(words)


def scheduling() -> str:
    """Return the scheduling of this process, which the storms that it starts inherit."""
    priority = os.sched_getparam(0).sched_priority
    return describe_scheduling(
        os.sched_getscheduler(0), priority, os.getpriority(os.PRIO_PROCESS, 0)
    )


def idle_states() -> str:
    """Return the idle driver and its states in words; "" where there is none."""
    driver = procfs.word(_IDLE / "current_driver")
    known = ", ".join(map(procfs.word, sorted(_CPU.glob("cpuidle/state*/name"))))
    return f"{driver}: {known}" if driver not in ("", "none") and known else ""


def frequency() -> str:
    """Return the first CPU's governor and range in words; "" where this kernel controls neither."""
    names = ("scaling_governor", "scaling_min_freq", "scaling_max_freq")
    governor, *bounds = (procfs.word(_CPU / "cpufreq" / name) for name in names)
    if not governor or not all(each.isdecimal() for each in bounds):
        return ""
    least, most = (int(each) // 1_000 for each in bounds)
    return f"{governor}, {least:,} to {most:,} MHz"


@contextmanager
def held_shallow() -> Iterator[bool]:
    """Keep idle CPUs in the state with the shortest exit; yield whether that is possible."""
    try:
        descriptor = os.open(_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        os.write(descriptor, struct.pack("=i", 0))
        yield True
    finally:
        os.close(descriptor)
