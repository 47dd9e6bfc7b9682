# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find what this machine can and cannot do, and what would disturb a measurement.

Every check turns what was seen into one finding; ``examine`` examines this machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

import psutil

from bench.amounts import share, size
from bench.errors import BufbenchError
from bench.linux import capabilities, cgroup, lockdown, machine, pages, procfs
from bench.linux import cpus as processors
from bench.linux.capabilities import Capability
from bench.linux.kernel_log import KernelLog
from bench.linux.version import numbers

OLDEST_KERNEL: Final = (5, 8, 0)
"""The ring buffer came with 457f44363a88, in 5.8; CAP_BPF with the same release."""

BTF: Final = procfs.SYS / "kernel/btf/vmlinux"

_STEAL_BOUND: Final = 0.02
_LOAD_PER_CPU_BOUND: Final = 0.25
_PROCESSES_NEEDED: Final = 2_048  # a burst of 1,000, with room to spare
_MEMORY_NEEDED_BYTES: Final = 1 << 30
_USUAL_MLOCK_KB: Final = 516
_LOOK_S: Final = 1.0


class Status(StrEnum):
    """Rate a finding: ``fail`` stops all measurements, ``warn`` disturbs one or hides something."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Hold one line of the doctor."""

    name: str
    status: Status
    seen: str
    remedy: str = ""  # "" when ok


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Hold all lines, and whether this machine can measure."""

    fit: bool
    findings: tuple[Finding, ...]


def judge(name: str, fine: bool, seen: str, remedy: str, *, fails: bool = False) -> Finding:
    """Return a finding that is ok if ``fine``, else a warning or failure with its remedy."""
    if fine:
        return Finding(name=name, status=Status.OK, seen=seen)
    status = Status.FAIL if fails else Status.WARN
    return Finding(name=name, status=status, seen=seen, remedy=remedy)


def required(name: str, look: Callable[[], object]) -> Finding:
    """Return what ``look`` returns, as a finding; a failure if it raises a BufbenchError."""
    try:
        return judge(name, True, str(look()), "")
    except BufbenchError as error:
        return failed(name, error)


def failed(name: str, error: BufbenchError) -> Finding:
    """Return the failure of a requirement of every measurement."""
    remedy = error.remedy or "see the errno's meaning in its manual page"
    return judge(name, False, error.message, remedy, fails=True)


def privileges(held: frozenset[Capability]) -> Finding:
    """Check for CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN: loading and attaching needs them."""
    missing = capabilities.missing_to_trace(held)
    seen = f"lacks {' and '.join(map(str, missing))}" if missing else "CAP_BPF and CAP_PERFMON"
    remedy = "run as root, or grant CAP_BPF and CAP_PERFMON"
    return judge("privileges", not missing, seen, remedy, fails=True)


def lockdown_of(level: str) -> Finding:
    """Judge lockdown: confidentiality closes tracefs and kernel memory to BPF."""
    seen = {
        "none": "off",
        "integrity": "integrity: forbids changes to the kernel, which no tracer makes",
        lockdown.CONFIDENTIALITY: "confidentiality: tracefs and kernel memory are closed to BPF",
        lockdown.UNKNOWN: "unknown: securityfs is not mounted, or reports none",
    }.get(level, level)
    fine = level != lockdown.CONFIDENTIALITY
    return judge("lockdown", fine, seen, lockdown.REMEDY, fails=True)


def page_size(size_bytes: int) -> str:
    """Return the size of pages, in which buffers are mapped; MachineUnfit unless it is 4 KiB."""
    pages.require(size_bytes)
    return "4 KiB"


def tracefs(mounted: Path | None, supported: bool, may_mount: bool) -> Finding:
    """Check for tracefs, which has the tracepoint's id; root mounts it where it is missing."""
    seen = "this kernel has none"
    if mounted:
        seen = f"mounted on {mounted}"
    elif supported:
        seen = "not mounted; a run will mount it" if may_mount else "not mounted"
    fine = bool(mounted or (supported and may_mount))
    remedy = "as root: mount -t tracefs tracefs /sys/kernel/tracing"
    return judge("tracefs", fine, seen, remedy, fails=True)


def cpus(online: Sequence[int], usable: Sequence[int]) -> Finding:
    """Check for two CPUs that this process may use: order across CPUs and contention need them."""
    if len(usable) < len(online):
        listed = processors.list_format(usable)
        seen = f"{len(usable)} of {len(online)} online may be used ({listed})"
        remedy = "start bufbench without taskset, or widen cpuset.cpus: a run uses no other CPUs"
        return judge("CPUs", False, seen, remedy)
    remedy = "use a machine with 2 CPUs or more: on one, nothing can be out of order"
    return judge("CPUs", len(usable) > 1, f"{len(online)} online", remedy)


Rule = Callable[..., tuple[bool, str]]
"""From what was seen: whether that is fine, and how to show it."""

_CHECKS: Final[dict[str, tuple[Rule, str]]] = {
    "kernel": (
        lambda release: (numbers(release) >= OLDEST_KERNEL, release),
        "use a kernel from 5.8 on: older ones have no BPF ring buffer",
    ),
    "BTF": (  # where field offsets come from
        lambda present: (present, str(BTF) if present else f"no {BTF}, or not readable"),
        "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
    ),
    "CPU quota": (  # of a cgroup: it stops storm and consumer within a trial
        lambda quota: (
            quota is None,
            "none" if quota is None else f"time of {quota:g} CPU{'s' * (quota != 1)}",
        ),
        "raise cpu.max of the cgroup (v1: cpu.cfs_quota_us): beyond it everything stands still",
    ),
    "clock source": (  # every record costs two readings; kvm-clock reads the TSC too, as quickly
        lambda source: (source in {"tsc", "kvm-clock", "arch_sys_counter"}, source),
        "boot with clocksource=tsc tsc=reliable if the CPU's TSC is sound",
    ),
    "virtualisation": (  # counts, order and memory hold
        lambda found: (not found.emulated, found.kind + ", emulated" * found.emulated),
        "give the guest KVM: emulated times compare only within one guest",
    ),
    "load": (
        lambda load_1m, online: (load_1m <= _LOAD_PER_CPU_BOUND * online, f"{load_1m:.2f}"),
        "stop other work, or wait: the load average falls within a minute or two",
    ),
    "scheduling": (  # policy and nice value, which harness and storms inherit
        lambda how: (how == processors.USUAL, how),
        "start it without nice or chrt: times depend on them, and journals record them",
    ),
    "governor": (
        lambda names: (
            names <= {"performance"},
            ", ".join(sorted(names)) or "none: frequencies are not this kernel's to choose",
        ),
        "cpupower frequency-set -g performance",
    ),
    "perf_event_mlock_kb": (  # beyond it, perf buffers of unprivileged users count as locked memory
        lambda mlock_kb, privileged: (
            privileged or (mlock_kb or 0) >= _USUAL_MLOCK_KB,
            "unknown" if mlock_kb is None else f"{size(mlock_kb << 10)} per CPU",
        ),
        f"sysctl kernel.perf_event_mlock_kb={_USUAL_MLOCK_KB}",
    ),
    "BPF statistics": (  # cost time in every BPF program
        lambda enabled: (not enabled, "on" if enabled else "off"),
        "sysctl kernel.bpf_stats_enabled=0",
    ),
    "other BPF users": (
        lambda pids: (
            not pids,
            f"held by PID {', '.join(map(str, sorted(pids)))}" if pids else "none",
        ),
        "stop them: their map lookups make the kernel skip the tracer (missed)",
    ),
    "memory": (  # captured records stay in memory until a trial is measured
        lambda free: (free >= _MEMORY_NEEDED_BYTES, f"{size(free)} available"),
        "free memory to 1 GiB or more, or run smaller storms",
    ),
    "kernel log": (  # complaints make a trial invalid
        lambda readable: (readable, "readable" if readable else "not readable"),
        "run as root: complaints of the kernel are not seen otherwise",
    ),
    "steal": (
        lambda stolen: (stolen <= _STEAL_BOUND, f"{share(stolen)} over a second"),
        "measure when the host is quieter: trials above the bound are marked noisy",
    ),
}


def check(name: str, *seen: object) -> Finding:
    """Check one thing by what was seen of it."""
    rule, remedy = _CHECKS[name]
    return judge(name, *rule(*seen), remedy, fails=name in {"kernel", "BTF"})


def objects(library: Callable[[], object], can_build: bool) -> Finding:
    """Report whether other people's objects can be run, by ``library``, and built."""
    try:
        library()
    except BufbenchError as error:
        return judge("objects", False, error.message, error.remedy)
    built = "can be run and built" if can_build else "can be run; not built: no clang or no headers"
    return judge("objects", True, built, "")


def processes(limit: cgroup.ProcessLimit) -> Finding:
    """Warn if a burst's processes exceed the limit; the generator makes fewer then."""
    seen = f"{limit.processes} at once ({limit.source})"
    remedy = f"raise {limit.source} to {_PROCESSES_NEEDED} or more: bursts are made smaller"
    return judge("processes", limit.processes >= _PROCESSES_NEEDED, seen, remedy)


def examine() -> Iterator[Finding]:
    """Examine this machine; takes about a second, for the share of steal."""
    from bench.linux import tracefs as place
    from bench.tracer import kernel_clock, libbpf, loader, probes
    from bench.tracer.object import compiled

    held = capabilities.held()
    administrator = Capability.SYS_ADMIN in held
    online = procfs.online_cpus()
    before, load_before = procfs.cpu_times(), os.getloadavg()[0]

    yield privileges(held)
    for name, error in probes.steps():
        yield failed(name, error) if error else judge(name, True, "works", "")
    yield lockdown_of(lockdown.running())
    yield check("kernel", os.uname().release)
    yield required("page size", partial(page_size, os.sysconf("SC_PAGE_SIZE")))
    yield check("BTF", os.access(BTF, os.R_OK))
    mounted = procfs.mount_point("tracefs")
    supported = (procfs.SYS / "kernel/tracing").is_dir()
    yield tracefs(mounted, supported, may_mount=administrator)
    if mounted:
        seen = "found" if place.readable() else "tracefs is closed to this user"
        yield judge("tracepoint", place.readable(), seen, place.opening(), fails=True)
    yield required("tracers", loader.shown)
    yield required("libbpf", libbpf.name)
    yield objects(libbpf.find, compiled.possible())
    yield cpus(online, processors.usable())
    yield check("CPU quota", cgroup.quota(cgroup.own("cpu")))
    yield check("clock source", procfs.clock_source())
    clocks = kernel_clock.look()
    seen = kernel_clock.words(clocks)
    yield judge("clocks", clocks.shared, seen, kernel_clock.REMEDY, fails=True)
    yield check("virtualisation", machine.virtualisation())
    yield check("load", load_before, len(online))
    yield check("scheduling", processors.scheduling())
    yield check("governor", procfs.governors())
    yield processes(cgroup.tightest_process_limit())
    mlock_kb = procfs.sysctl("kernel.perf_event_mlock_kb")
    yield check("perf_event_mlock_kb", mlock_kb, administrator)
    yield check("BPF statistics", procfs.sysctl("kernel.bpf_stats_enabled"))
    yield check("other BPF users", procfs.bpf_holders())
    yield check("memory", psutil.virtual_memory().available)
    with KernelLog() as log:
        yield check("kernel log", log.readable)
    time.sleep(_LOOK_S)
    yield check("steal", procfs.cpu_times().steal_share_since(before))
