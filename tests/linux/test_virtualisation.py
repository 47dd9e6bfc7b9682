# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import pytest

from bench.linux import machine

GUEST = "model name\t: AMD EPYC\nflags\t\t: fpu tsc hypervisor lahf_lm\n"
METAL = "model name\t: AMD EPYC 7B13 64-Core Processor\nflags\t\t: fpu tsc lahf_lm\n"
EMULATED = "model name\t: QEMU TCG CPU version 2.5+\nflags\t\t: fpu tsc hypervisor\n"
ARM64 = "CPU implementer\t: 0x41\nCPU variant\t: 0x4\nCPU part\t: 0xd0c\nCPU revision\t: 1\n"
KVM_MODEL = "model name\t: QEMU Virtual CPU version 2.5+\nflags\t\t: fpu hypervisor\n"


@pytest.mark.parametrize(
    ("cpuinfo", "clocks", "vendor", "kind", "emulated"),
    [
        (GUEST, "tsc kvm-clock\n", "", "kvm", False),
        (KVM_MODEL, "kvm-clock tsc acpi_pm\n", "QEMU\n", "kvm", False),
        (EMULATED, "tsc hpet acpi_pm\n", "QEMU\n", "qemu", True),
        (EMULATED, "tsc refined-jiffies\n", "", "qemu", True),
        (GUEST, "tsc hpet\n", "QEMU\n", "qemu", True),
        (GUEST, "hyperv_clocksource_tsc_page\n", "Microsoft Corporation\n", "hyper-v", False),
        (GUEST, "tsc acpi_pm\n", "VMware, Inc.\n", "vmware", False),
        (GUEST, "tsc\n", "", "unknown", False),
        (METAL, "tsc hpet acpi_pm\n", "Dell Inc.\n", "none", False),
        (ARM64, "arch_sys_counter\n", "", "none", False),
        (ARM64, "arch_sys_counter\n", "QEMU\n", "qemu", False),  # by KVM
        (ARM64.replace("0x41", "0x00"), "arch_sys_counter\n", "", "qemu", True),
    ],
)
def test_witnesses(cpuinfo: str, clocks: str, vendor: str, kind: str, emulated: bool) -> None:
    seen = machine.classify(cpuinfo=cpuinfo, clock_sources=clocks, vendor=vendor)
    assert seen == machine.Virtualisation(kind=kind, emulated=emulated)


def test_cpu_model() -> None:
    assert machine.cpu_model(GUEST) == "AMD EPYC"
    assert machine.cpu_model("processor: 0\n") == "unknown"
    assert machine.cpu_model(ARM64) == "implementer 0x41, part 0xd0c, variant 0x4"
