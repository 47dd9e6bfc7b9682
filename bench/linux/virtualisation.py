# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Whether a hypervisor is underneath, which, and whether it emulates the CPU."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bench.linux import procfs

_CLOCKS: Final = (("kvm-clock", "kvm"), ("hyperv_clocksource", "hyper-v"), ("xen", "xen"))
_VENDORS: Final = (("VMware", "vmware"), ("innotek", "virtualbox"), ("QEMU", "qemu"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Virtualisation:
    """``kind``: kvm, qemu, xen, vmware, hyper-v, virtualbox, "unknown" or "none"."""

    kind: str
    emulated: bool  # QEMU without KVM: counts hold, times do not


def classify(*, cpuinfo: str, clock_sources: str, vendor: str) -> Virtualisation:
    """Judge by /proc/cpuinfo, the available clock sources and the DMI system vendor.

    A hypervisor's own clock is the best witness: QEMU offers kvm-clock only where KVM runs the
    guest, and its made-up CPU models carry its name in either case.
    """
    for clock, kind in _CLOCKS:
        if clock in clock_sources:
            return Virtualisation(kind=kind, emulated=False)
    if "QEMU" in cpu_model(cpuinfo):
        return Virtualisation(kind="qemu", emulated=True)
    hypervisor = re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE)
    for name, kind in _VENDORS:
        if name in vendor:
            return Virtualisation(kind=kind, emulated=kind == "qemu")
    return Virtualisation(kind="unknown" if hypervisor else "none", emulated=False)


def cpu_model(cpuinfo: str) -> str:
    """Return the first CPU's model name, "unknown" where there is none."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else "unknown"


def running() -> Virtualisation:
    """Return what this kernel runs on."""
    clocks = procfs.SYS / "devices/system/clocksource/clocksource0/available_clocksource"
    return classify(
        cpuinfo=procfs.read(procfs.PROC / "cpuinfo") or "",
        clock_sources=procfs.read(clocks) or "",
        vendor=procfs.read(procfs.SYS / "class/dmi/id/sys_vendor") or "",
    )
