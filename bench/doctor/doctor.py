# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What this machine can and cannot do, and what would disturb a measurement.

Every check takes what was seen and gives one finding; ``examine`` looks at this machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import psutil

from bench.errors import BufbenchError, MachineUnfit
from bench.linux import (
    capabilities,
    lockdown,
    pages,
    process_limits,
    procfs,
    scheduling,
    virtualisation,
)
from bench.linux import cpus as processors
from bench.linux.capabilities import Capability
from bench.linux.kernel_log import KernelLog
from bench.linux.version import numbers

OLDEST_KERNEL: Final = (5, 8, 0)
"""The ring buffer came with 457f44363a88, in 5.8; CAP_BPF with the same release."""

BTF: Final = procfs.SYS / "kernel/btf/vmlinux"

_STEAL_BOUND: Final = 0.02
_LOAD_PER_CPU_BOUND: Final = 0.25
_PROCESSES_NEEDED: Final = 2_048  # a burst of 1,000, with room
_MEMORY_NEEDED_BYTES: Final = 1 << 30
_USUAL_MLOCK_KB: Final = 516
_LOOK_S: Final = 1.0


class Status(StrEnum):
    """``fail`` stops every measurement; ``warn`` disturbs one or hides something."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor."""

    name: str
    status: Status
    seen: str
    remedy: str = ""  # "" when ok


def judge(
    name: str, fine: bool, seen: str, remedy: str, *, otherwise: Status = Status.WARN
) -> Finding:
    """Return a finding that is ok if ``fine``, else ``otherwise`` with its remedy."""
    if fine:
        return Finding(name=name, status=Status.OK, seen=seen)
    return Finding(name=name, status=otherwise, seen=seen, remedy=remedy)


def privileges(held: frozenset[Capability]) -> Finding:
    """Check for CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN: loading and attaching takes them."""
    missing = capabilities.missing_to_trace(held)
    seen = f"lacks {' and '.join(map(str, missing))}" if missing else "CAP_BPF and CAP_PERFMON"
    remedy = "run as root, or grant CAP_BPF and CAP_PERFMON"
    return judge("privileges", not missing, seen, remedy, otherwise=Status.FAIL)


def lockdown_of(level: str) -> Finding:
    """Judge lockdown: confidentiality closes tracefs and kernel memory to BPF."""
    fine = level != lockdown.CONFIDENTIALITY
    seen = {
        "none": "off",
        "integrity": "integrity: forbids changes to the kernel, which no tracer makes",
        lockdown.CONFIDENTIALITY: "confidentiality: tracefs and kernel memory are closed to BPF",
        lockdown.UNKNOWN: "unknown: securityfs is not mounted, or reports none",
    }.get(level, level)
    return judge("lockdown", fine, seen, lockdown.REMEDY, otherwise=Status.FAIL)


def attempted(name: str, error: BufbenchError | None) -> Finding:
    """Return what came of a step of loading a tracer, really tried."""
    if error is None:
        return judge(name, True, "works", "")
    remedy = error.remedy or "see the errno's meaning in its manual page"
    return judge(name, False, error.message, remedy, otherwise=Status.FAIL)


def kernel(release: str) -> Finding:
    """Check that the kernel is not older than the ring buffer."""
    fine = numbers(release) >= OLDEST_KERNEL
    remedy = "use a kernel from 5.8 on: older ones have no BPF ring buffer"
    return judge("kernel", fine, release, remedy, otherwise=Status.FAIL)


def page_size(size_bytes: int) -> Finding:
    """Check that pages are of 4 KiB, in which buffers are mapped."""
    try:
        pages.require(size_bytes)
    except MachineUnfit as error:
        return judge("page size", False, error.message, error.remedy, otherwise=Status.FAIL)
    return judge("page size", True, "4 KiB", "")


def btf(present: bool) -> Finding:
    """Check for the kernel's type information, where field offsets come from."""
    seen = str(BTF) if present else f"no {BTF}, or not readable"
    remedy = "use a kernel built with CONFIG_DEBUG_INFO_BTF=y"
    return judge("BTF", present, seen, remedy, otherwise=Status.FAIL)


def tracefs(mounted: Path | None, supported: bool, may_mount: bool) -> Finding:
    """Check for tracefs, which has the tracepoint's id; root mounts it where it is missing."""
    if mounted:
        return judge("tracefs", True, f"mounted on {mounted}", "")
    if supported and may_mount:
        return judge("tracefs", True, "not mounted; a run will mount it", "")
    seen = "not mounted" if supported else "this kernel has none"
    remedy = "as root: mount -t tracefs tracefs /sys/kernel/tracing"
    return judge("tracefs", False, seen, remedy, otherwise=Status.FAIL)


def tracepoint(readable: bool, remedy: str) -> Finding:
    """Check that the tracepoint's number, which stands in tracefs alone, can be read."""
    seen = "found" if readable else "tracefs is closed to this user"
    return judge("tracepoint", readable, seen, remedy, otherwise=Status.FAIL)


def library(name: str, version: Callable[[], str]) -> Finding:
    """Return whether ``version`` finds a library, else its remedy."""
    try:
        seen = version()
    except MachineUnfit as error:
        return judge(name, False, error.message, error.remedy, otherwise=Status.FAIL)
    return judge(name, True, seen, "")


def cpus(online: Sequence[int], usable: Sequence[int]) -> Finding:
    """Order across CPUs and contention need two that this process may use."""
    seen = f"{len(online)} online"
    if len(usable) < len(online):
        listed = processors.list_format(usable)
        seen = f"{len(usable)} of {len(online)} online may be used ({listed})"
        remedy = "start bufbench without taskset, or widen cpuset.cpus: a run uses no other CPUs"
        return judge("CPUs", False, seen, remedy)
    remedy = "use a machine with 2 CPUs or more: on one, nothing can be out of order"
    return judge("CPUs", len(usable) > 1, seen, remedy)


def cpu_quota(quota: float | None) -> Finding:
    """Warn of a cgroup's bandwidth limit, which stops storm and consumer within a trial."""
    seen = "none" if quota is None else f"time of {quota:g} CPUs"
    remedy = "raise cpu.max of the cgroup (v1: cpu.cfs_quota_us): beyond it everything stands still"
    return judge("CPU quota", quota is None, seen, remedy)


def time_namespace(shared: bool, seen: str, remedy: str) -> Finding:
    """Check that the reader's clock is the kernel's: latency is their difference."""
    return judge("clocks", shared, seen, remedy, otherwise=Status.FAIL)


def clock(source: str) -> Finding:
    """Judge the clock source: every record costs two readings."""
    remedy = "boot with clocksource=tsc tsc=reliable if the CPU's TSC is sound"
    # kvm-clock reads the TSC too, and as quickly.
    return judge("clock source", source in {"tsc", "kvm-clock", "arch_sys_counter"}, source, remedy)


def emulation(underneath: virtualisation.Virtualisation) -> Finding:
    """Warn of emulation: counts, order and memory hold, times compare within one guest only."""
    remedy = "give the guest KVM: emulated times compare only within one guest"
    seen = f"{underneath.kind}, emulated" if underneath.emulated else underneath.kind
    return judge("virtualisation", not underneath.emulated, seen, remedy)


def steal(share: float) -> Finding:
    """Warn of stolen time, which is missing from every measured time."""
    remedy = "measure when the host is quieter: trials above the bound are marked noisy"
    return judge("steal", share <= _STEAL_BOUND, f"{share:.1%} over a second", remedy)


def load(load_1m: float, online: int) -> Finding:
    """Warn of other work on the machine."""
    remedy = "stop other work, or wait: the load average falls within a minute or two"
    return judge("load", load_1m <= _LOAD_PER_CPU_BOUND * online, f"{load_1m:.2f}", remedy)


def scheduled(how: str) -> Finding:
    """Check the scheduling policy and nice value, which harness and storms inherit."""
    remedy = "start it without nice or chrt: times depend on them, and journals record them"
    return judge("scheduling", how == scheduling.USUAL, how, remedy)


def governor(names: frozenset[str]) -> Finding:
    """Warn of a governor that changes frequencies, and times with them."""
    seen = ", ".join(sorted(names)) or "none: frequencies are not this kernel's to choose"
    remedy = "cpupower frequency-set -g performance"
    return judge("governor", names <= {"performance"}, seen, remedy)


def processes(limit: process_limits.ProcessLimit) -> Finding:
    """Warn where a burst's processes exceed the limit; the generator lowers itself below it."""
    seen = f"{limit.processes} at once ({limit.source})"
    remedy = f"raise {limit.source} to {_PROCESSES_NEEDED} or more: bursts are made smaller"
    return judge("processes", limit.processes >= _PROCESSES_NEEDED, seen, remedy)


def perf_mlock(mlock_kb: int | None, privileged: bool) -> Finding:
    """Show beyond what size unprivileged perf buffers count against RLIMIT_MEMLOCK."""
    seen = "unknown" if mlock_kb is None else f"{mlock_kb} KiB per CPU"
    remedy = f"sysctl kernel.perf_event_mlock_kb={_USUAL_MLOCK_KB}"
    fine = privileged or (mlock_kb or 0) >= _USUAL_MLOCK_KB
    return judge("perf_event_mlock_kb", fine, seen, remedy)


def bpf_stats(enabled: int | None) -> Finding:
    """Warn where run times are counted, which costs time in every BPF program."""
    remedy = "sysctl kernel.bpf_stats_enabled=0"
    return judge("BPF statistics", not enabled, "on" if enabled else "off", remedy)


def other_bpf(holders: frozenset[int]) -> Finding:
    """Warn of other BPF users: while one is inside a map operation the kernel skips the tracer."""
    seen = "none" if not holders else "held by PID " + ", ".join(map(str, sorted(holders)))
    remedy = "stop them: their map lookups make the kernel skip the tracer (missed)"
    return judge("other BPF users", not holders, seen, remedy)


def free_memory(available_bytes: int) -> Finding:
    """Check the free memory: captured records stay there until a trial is measured."""
    remedy = "free memory to 1 GiB or more, or run smaller storms"
    seen = f"{available_bytes / (1 << 30):.1f} GiB available"
    return judge("memory", available_bytes >= _MEMORY_NEEDED_BYTES, seen, remedy)


def kernel_log(readable: bool) -> Finding:
    """Check that the kernel's log can be read: complaints make a trial invalid."""
    remedy = "run as root: complaints of the kernel are not seen otherwise"
    return judge("kernel log", readable, "readable" if readable else "not readable", remedy)


def examine() -> Iterator[Finding]:
    """Look at this machine; takes about a second, for the share of steal."""
    from bench.linux import tracefs as place
    from bench.tracer import kernel_clock, probes, versions

    held = capabilities.held()
    administrator = Capability.SYS_ADMIN in held
    online = procfs.online_cpus()
    before, load_before = procfs.cpu_times(), procfs.load_1m()

    yield privileges(held)
    for name, error in probes.steps():
        yield attempted(name, error)
    yield lockdown_of(lockdown.running())
    yield kernel(os.uname().release)
    yield page_size(os.sysconf("SC_PAGE_SIZE"))
    yield btf(os.access(BTF, os.R_OK))
    mounted = procfs.mount_point("tracefs")
    supported = (procfs.SYS / "kernel/tracing").is_dir()
    yield tracefs(mounted, supported, may_mount=administrator)
    if mounted:
        yield tracepoint(place.readable(), place.opening())
    yield library("bcc", versions.bcc_version)
    yield library("libbpf", versions.libbpf_name)
    yield cpus(online, processors.usable(online))
    yield cpu_quota(processors.own_quota())
    yield clock(procfs.clock_source())
    clocks = kernel_clock.look()
    yield time_namespace(clocks.shared, kernel_clock.words(clocks), kernel_clock.REMEDY)
    yield emulation(virtualisation.running())
    yield load(load_before, len(online))
    yield scheduled(scheduling.running())
    yield governor(procfs.governors())
    yield processes(process_limits.tightest())
    mlock_kb = procfs.sysctl("kernel.perf_event_mlock_kb")
    yield perf_mlock(mlock_kb, privileged=administrator)
    yield bpf_stats(procfs.sysctl("kernel.bpf_stats_enabled"))
    yield other_bpf(procfs.bpf_holders())
    yield free_memory(psutil.virtual_memory().available)
    with KernelLog() as log:
        yield kernel_log(log.readable)
    time.sleep(_LOOK_S)
    yield steal(procfs.cpu_times().steal_share_since(before))
