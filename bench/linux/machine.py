# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The machine and kernel that a journal was measured on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from bench.linux import cpus, idle, preemption, procfs, scheduling, virtualisation


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Facts that hold for a whole run; probed, never assumed from the release string."""

    hostname: str
    kernel_release: str
    cpus_online: int
    cpu_model: str
    memory_bytes: int
    clock_source: str
    preemption: str  # none, voluntary, full, lazy, rt or "unknown"
    virtualisation: str  # kvm, qemu, none, ...
    emulated: bool  # QEMU without KVM
    bcc_version: str
    harness_version: str
    wakeup_cost_ns: float | None = None  # forced minus none, per record; None: not measured
    kernel_facts: dict[str, str] = field(default_factory=dict)  # from BTF and tracefs
    scheduling: str = ""  # of harness and storms: "other", "batch, nice 10"; "": not recorded
    # Lists as the kernel writes them, "0-2,5"; "": not recorded (before schema 3).
    online_cpus: str = ""
    usable_cpus: str = ""  # online, and allowed by affinity and cpuset
    cpu_quota: float | None = None  # CPUs' worth of time; None: no limit, or not recorded
    idle_states: str = ""  # driver and states; "": none, or not recorded
    idle_held: bool | None = None  # kept shallow while trials ran; None: not recorded
    frequency: str = ""  # governor and range; "": not this kernel's to choose, or not recorded

    @property
    def cpus(self) -> int:
        """The number of CPUs that a run uses: the usable ones, or all where that is not known."""
        with suppress(ValueError):  # a journal is foreign data
            return len(procfs.parse_cpu_list(self.usable_cpus)) or self.cpus_online
        return self.cpus_online

    @property
    def restricted(self) -> bool:
        """Whether a run is known to have been kept from some CPUs, or from some of their time."""
        return self.usable_cpus != self.online_cpus or self.cpu_quota is not None


def harness_version() -> str:
    """Return the installed package's version; a checkout that was not installed has none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("bufbench")
    except PackageNotFoundError:
        return "checkout"


def collect(
    *,
    bcc_version: str,
    kernel_facts: Mapping[str, str],
    wakeup_cost_ns: float | None = None,
    idle_held: bool | None = None,
) -> Machine:
    """Look at the machine. What only bench/tracer can know is handed in."""
    underneath = virtualisation.running()
    online = procfs.online_cpus()
    return Machine(
        hostname=os.uname().nodename,
        kernel_release=os.uname().release,
        cpus_online=len(online),
        cpu_model=virtualisation.cpu_model(procfs.read(procfs.PROC / "cpuinfo") or ""),
        memory_bytes=psutil.virtual_memory().total,
        clock_source=procfs.clock_source(),
        preemption=preemption.running(),
        virtualisation=underneath.kind,
        emulated=underneath.emulated,
        bcc_version=bcc_version,
        harness_version=harness_version(),
        wakeup_cost_ns=wakeup_cost_ns,
        kernel_facts=dict(kernel_facts),
        scheduling=scheduling.running(),
        online_cpus=cpus.list_format(online),
        usable_cpus=cpus.list_format(cpus.usable(online)),
        cpu_quota=cpus.own_quota(),
        idle_states=idle.states(),
        idle_held=idle_held,
        frequency=idle.frequency(),
    )
