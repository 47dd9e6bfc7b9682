# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Describe the machine and kernel of a journal, with hypervisor and preemption model."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

import psutil

from bench.linux import cgroup, cpus, procfs

UNKNOWN: Final = "unknown"
CONFIG_VARIABLE: Final = "BUFBENCH_KERNEL_CONFIG"
"""In a guest, the file with its kernel's build configuration, which is not in /boot."""
COUNTED_VARIABLE: Final = "BUFBENCH_COUNTED"
"""Set in a guest whose time is executed instructions, which nothing inside shows."""
COUNTED: Final = "qemu-icount"

# Real-time kernels name the model that they are built upon as well.
_CONFIG: Final = (
    ("CONFIG_PREEMPT_RT", "rt"),
    ("CONFIG_PREEMPT_LAZY", "lazy"),
    ("CONFIG_PREEMPT_NONE", "none"),
    ("CONFIG_PREEMPT_VOLUNTARY", "voluntary"),
    ("CONFIG_PREEMPT", "full"),
)
_CLOCKS: Final = (("kvm-clock", "kvm"), ("hyperv_clocksource", "hyper-v"), ("xen", "xen"))
_ID: Final = Path("/etc/machine-id")
_EMULATED_ARM64: Final = re.compile(r"^CPU implementer\s*:\s*0x00$", re.MULTILINE)
_VENDORS: Final = (("VMware", "vmware"), ("innotek", "virtualbox"), ("QEMU", "qemu"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Virtualisation:
    """Name the hypervisor: kvm, qemu, qemu-icount, xen, vmware, hyper-v, virtualbox.

    ``kind`` may also be "unknown" or "none".
    """

    kind: str
    emulated: bool  # QEMU without KVM: counts hold, times do not


def classify(*, cpuinfo: str, clock_sources: str, vendor: str) -> Virtualisation:
    """Decide by /proc/cpuinfo, the available clock sources and the DMI system vendor.

    A hypervisor's own clock is the best evidence: QEMU offers kvm-clock only where KVM runs the
    guest, and its invented CPU models carry its name in either case. arm64 has no such clock;
    there QEMU's invented model has no implementer.
    """
    for clock, kind in _CLOCKS:
        if clock in clock_sources:
            return Virtualisation(kind=kind, emulated=False)
    if "QEMU" in cpu_model(cpuinfo) or _EMULATED_ARM64.search(cpuinfo):
        return Virtualisation(kind="qemu", emulated=True)
    x86 = "CPU implementer" not in cpuinfo
    for name, kind in _VENDORS:
        if name in vendor:
            return Virtualisation(kind=kind, emulated=kind == "qemu" and x86)
    hypervisor = re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE)
    return Virtualisation(kind=UNKNOWN if hypervisor else "none", emulated=False)


def cpu_model(cpuinfo: str) -> str:
    """Return the first CPU's model name, "unknown" where there is none.

    arm64 has numbers alone: MIDR_EL1's implementer, part and variant.
    """
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if found:
        return found[1].strip()
    names = ("implementer", "part", "variant")
    numbers = [re.search(rf"^CPU {name}\s*:\s*(\w+)$", cpuinfo, re.MULTILINE) for name in names]
    words = [f"{name} {found[1]}" for name, found in zip(names, numbers, strict=True) if found]
    return ", ".join(words) or UNKNOWN


def virtualisation() -> Virtualisation:
    """Return the hypervisor of this kernel."""
    if os.environ.get(COUNTED_VARIABLE):
        return Virtualisation(kind=COUNTED, emulated=True)
    clocks = procfs.SYS / "devices/system/clocksource/clocksource0/available_clocksource"
    return classify(
        cpuinfo=procfs.read(procfs.PROC / "cpuinfo") or "",
        clock_sources=procfs.read(clocks) or "",
        vendor=procfs.read(procfs.SYS / "class/dmi/id/sys_vendor") or "",
    )


def preemption_model(*, debugfs: str | None, version: str, cmdline: str, config: str | None) -> str:
    """Return none, voluntary, lazy, full, rt or unknown, from the most reliable source.

    ``debugfs``: sched/preempt, which marks the model in brackets. ``version``: as in uname -v.
    ``config``: the kernel's build configuration.
    """
    if "PREEMPT_RT" in version:  # newer ones show what else they are in debugfs: full or lazy
        return "rt"
    if debugfs and (marked := re.search(r"\((\w+)\)", debugfs)):
        return marked[1]
    if "PREEMPT_DYNAMIC" in version:
        requested = re.findall(r"(?:^|\s)preempt=(none|voluntary|full|lazy)\b", cmdline)
        if requested:
            return str(requested[-1])
    if config:
        built = set(config.splitlines())
        return next((name for option, name in _CONFIG if f"{option}=y" in built), UNKNOWN)
    return "full" if re.search(r"\bPREEMPT\b", version) else UNKNOWN


def preemption() -> str:
    """Return the preemption model of this kernel."""
    return preemption_model(
        debugfs=procfs.read(procfs.SYS / "kernel/debug/sched/preempt"),
        version=os.uname().version,
        cmdline=procfs.read(procfs.PROC / "cmdline") or "",
        config=_build_config(),
    )


def _build_config() -> str | None:
    if beside_image := os.environ.get(CONFIG_VARIABLE):
        return procfs.read(Path(beside_image))
    try:
        return gzip.decompress((procfs.PROC / "config.gz").read_bytes()).decode()
    except OSError:
        return procfs.read(Path("/boot") / f"config-{os.uname().release}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Hold facts about a whole run; probed, never assumed from the release string."""

    hostname: str
    kernel_release: str
    cpus_online: int
    cpu_model: str
    memory_bytes: int
    clock_source: str
    preemption: str  # none, voluntary, full, lazy, rt or "unknown"
    virtualisation: str  # kvm, qemu, qemu-icount, none, ...
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
    frequency: str = ""  # governor and range; "": not controlled by this kernel, or not recorded
    architecture: str = ""  # uname -m; "": not recorded
    identity: str = ""  # differs between machines that share a name; "": not recorded

    @property
    def hypervisor(self) -> str:
        """Return in words what executed the instructions."""
        if self.counts_instructions:
            return "emulated, instructions counted"
        return "emulated" if self.emulated else self.virtualisation

    @property
    def counts_instructions(self) -> bool:
        """Return whether a nanosecond was an executed instruction."""
        return self.virtualisation == COUNTED

    @property
    def cpus(self) -> int:
        """Return the number of CPUs that a run uses: the usable ones, if known, else all."""
        with suppress(ValueError):  # a journal is foreign data
            return len(procfs.parse_cpu_list(self.usable_cpus)) or self.cpus_online
        return self.cpus_online


def identity(of: Path = _ID) -> str:
    """Return a digest of this machine's private id, which it does not reveal.

    "" without an id, and in a guest whose results are the same on any machine.
    """
    found = procfs.word(of)
    if not re.fullmatch("[0-9a-f]{32}", found) or os.environ.get(COUNTED_VARIABLE):
        return ""
    return blake2b(found.encode(), digest_size=8, person=b"bufbench").hexdigest()


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
    """Describe this machine; facts that only bench/tracer can find are arguments."""
    underneath = virtualisation()
    online = procfs.online_cpus()
    return Machine(
        hostname=os.uname().nodename,
        kernel_release=os.uname().release,
        cpus_online=len(online),
        cpu_model=cpu_model(procfs.read(procfs.PROC / "cpuinfo") or ""),
        # Whole MiB: where a kernel's addresses are random, so are a few pages, boot by boot.
        memory_bytes=psutil.virtual_memory().total >> 20 << 20,
        clock_source=procfs.clock_source(),
        preemption=preemption(),
        virtualisation=underneath.kind,
        emulated=underneath.emulated,
        bcc_version=bcc_version,
        harness_version=harness_version(),
        wakeup_cost_ns=wakeup_cost_ns,
        kernel_facts=dict(kernel_facts),
        scheduling=cpus.scheduling(),
        online_cpus=cpus.list_format(online),
        usable_cpus=cpus.list_format(cpus.usable()),
        cpu_quota=cgroup.quota(cgroup.own("cpu")),
        idle_states=cpus.idle_states(),
        idle_held=idle_held,
        frequency=cpus.frequency(),
        architecture=os.uname().machine,
        identity=identity(),
    )
