# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The machine and kernel that a journal was measured on."""

from __future__ import annotations

from dataclasses import dataclass, field


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
