# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the machine that QEMU makes for kernels of each architecture."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import Final

from bench.errors import MachineUnfit
from bench.guests.architecture import AMD64, ARM64, own

MEMORY_MIB: Final = 512

_COMMON: Final = (
    *("-smp", "1", "-m", str(MEMORY_MIB)),
    *("-nodefaults", "-no-reboot", "-display", "none", "-vga", "none"),
    *("-icount", "shift=0,sleep=off", "-rtc", "base=2020-01-01,clock=vm"),
)
_PARAMETERS: Final = ("panic=-1", "loglevel=4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Describe a machine that counts instructions, a nanosecond for each."""

    architecture: str
    program: str  # QEMU's
    package: str  # that has it
    options: tuple[str, ...]  # all but the seed and the files
    port: tuple[str, ...]  # beside the console's: where QEMU's character device "report" is
    parameters: tuple[str, ...]  # of the kernel; ``report`` is in the first process's environment

    def sized(self, *, cpus: int, memory_mib: int) -> Machine:
        """Return the same machine with so many CPUs, which take turns, and so much memory."""
        sizes = {"-smp": str(cpus), "-m": str(memory_mib)}
        before = ("", *self.options[:-1])
        options = (sizes.get(name, value) for name, value in zip(before, self.options, strict=True))
        return replace(self, options=tuple(options))

    def qemu(self) -> str:
        """Return QEMU's path; MachineUnfit if it is missing."""
        found = shutil.which(self.program)
        if found is None:
            raise MachineUnfit(
                f"{self.program} is missing", remedy=f"apt-get install {self.package}"
            )
        return found


MACHINES: Final = {
    AMD64: Machine(
        architecture=AMD64,
        program="qemu-system-x86_64",
        package="qemu-system-x86",
        options=("-machine", "q35", "-cpu", "max", *_COMMON),
        port=("-serial", "chardev:report"),
        parameters=(
            *("console=ttyS0", "report=/dev/ttyS1", *_PARAMETERS),
            *("clocksource=tsc", "tsc=reliable"),
            # REP_GOOD, ERMS and FSRM, together: `rep movsb` counts as an instruction a byte.
            # CX16: QEMU before 8.0 leaves garbage in the flags after cmpxchg16b, which show if an
            # interrupt comes right after it, as the end of a turn may: a kernel then faults.
            "clearcpuid=112,141,297,580",
        ),
    ),
    ARM64: Machine(
        architecture=ARM64,
        program="qemu-system-aarch64",
        package="qemu-system-arm",
        # A server's processor with LSE atomics: "max" grows with QEMU, and so would the kernel's
        # choices (MOPS copies any length by three instructions); its pointer authentication
        # takes three quarters of a boot. The counter is 1 GHz, not 62.5 MHz.
        options=("-machine", "virt", "-cpu", "neoverse-n1,cntfrq=1000000000", *_COMMON),
        # The machine has one port; Debian's kernels have the driver of one on PCI built in.
        port=("-device", "pci-serial,chardev=report"),
        parameters=("console=ttyAMA0", "report=/dev/ttyS0", *_PARAMETERS),
    ),
}
"""By architecture."""


def usual() -> Machine:
    """Return the machine for kernels of this machine's architecture, else for those of x86-64."""
    return MACHINES.get(own(), MACHINES[AMD64])
