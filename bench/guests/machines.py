# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the machine that QEMU emulates for kernels of each architecture, and its tools.

Architectures are named as Debian does; a kernel's is found by its name and by its image's header.
"""

from __future__ import annotations

import os
import re
import shutil
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import MachineUnfit

AMD64: Final = "amd64"
ARM64: Final = "arm64"
MEMORY_MIB: Final = 512

_COMMON: Final = (
    *("-nodefaults", "-no-reboot", "-display", "none", "-vga", "none"),
    *("-icount", "shift=0,sleep=off", "-rtc", "base=2020-01-01,clock=vm"),
)
_NAMES: Final = {"x86_64": AMD64, "aarch64": ARM64, AMD64: AMD64, ARM64: ARM64}
_HEADER_BYTES: Final = 0x8000
_LONGEST_RELEASE: Final = 128
_ARM64_BYTES: Final = 64
_GZIP: Final = 16 + zlib.MAX_WBITS
_PARAMETERS: Final = ("panic=-1", "loglevel=4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Describe an emulated machine in two forms: one counts a ns per instruction, one is usual."""

    architecture: str
    family: str  # its name in uname -m, QEMU and GNU's tools
    package: str  # with QEMU
    model: tuple[str, ...]  # QEMU's options for it
    port: tuple[str, ...]  # beside the console's: where QEMU's character device "report" is
    parameters: tuple[str, ...]  # of the kernel; ``report`` is in the first process's environment
    usual_model: tuple[str, ...]  # the same without counting, fully emulated
    usual_parameters: tuple[str, ...]
    emulated_parameters: tuple[str, ...] = ()  # more of them, without KVM
    cpus: int = 1  # which take turns
    memory_mib: int = MEMORY_MIB

    @property
    def options(self) -> tuple[str, ...]:
        """Return QEMU's options, all but the seed and the files."""
        return (*self.model, "-smp", str(self.cpus), "-m", str(self.memory_mib), *_COMMON)

    @property
    def program(self) -> str:
        """Return the name of QEMU's program."""
        return f"qemu-system-{self.family}"

    @property
    def compiler(self) -> str:
        """Return the name of the C compiler for programs of the architecture."""
        return f"{self.family}-linux-gnu-gcc"

    @property
    def compiler_packages(self) -> str:
        """Return the packages that have the compiler on a machine of another architecture."""
        family = self.family.replace("_", "-")
        return f"gcc-{family}-linux-gnu libc6-dev-{self.architecture}-cross"

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
        family="x86_64",
        package="qemu-system-x86",
        model=("-machine", "q35", "-cpu", "max"),
        port=("-serial", "chardev:report"),
        parameters=(
            *("console=ttyS0", "report=/dev/ttyS1", *_PARAMETERS),
            *("clocksource=tsc", "tsc=reliable"),
            # REP_GOOD, ERMS and FSRM, together: `rep movsb` counts as an instruction a byte.
            # CX16: QEMU before 8.0 leaves garbage in the flags after cmpxchg16b, which show if an
            # interrupt comes right after it, as the end of a turn may: a kernel then faults.
            "clearcpuid=112,141,297,580",
        ),
        usual_model=("-machine", "q35", "-cpu", "max"),
        usual_parameters=("console=ttyS0", "earlyprintk=serial,ttyS0,115200"),
        emulated_parameters=(
            # An emulated guest distrusts its TSC and reads the HPET, at ten times the price.
            *("clocksource=tsc", "tsc=reliable"),
            # On a busy machine its timer comes too late for a check that a kernel panics by.
            "no_timer_check",
        ),
    ),
    ARM64: Machine(
        architecture=ARM64,
        family="aarch64",
        package="qemu-system-arm",
        # A server's processor with LSE atomics: "max" grows with QEMU, and so would the kernel's
        # choices (MOPS copies any length by three instructions); its pointer authentication
        # takes three quarters of a boot. The counter is 1 GHz, not 62.5 MHz.
        model=("-machine", "virt", "-cpu", "neoverse-n1,cntfrq=1000000000"),
        # The machine has one port; Debian's kernels have the driver of one on PCI built in.
        port=("-device", "pci-serial,chardev=report"),
        parameters=("console=ttyAMA0", "report=/dev/ttyS0", *_PARAMETERS),
        # By "max" a kernel shows that it is emulated. Its usual pointer authentication is slow, and
        # the second version of the interrupt controller serves eight CPUs.
        usual_model=("-machine", "virt,gic-version=3", "-cpu", "max,pauth-impdef=on"),
        usual_parameters=("console=ttyAMA0", "earlycon"),
    ),
}
"""By architecture."""


def usual() -> Machine:
    """Return the machine for kernels of this machine's architecture, else for those of x86-64."""
    return MACHINES.get(own(), MACHINES[AMD64])


def own() -> str:
    """Return this machine's architecture."""
    return of_family(os.uname().machine)


def of_family(family: str) -> str:
    """Return the architecture by its name in ``uname -m``."""
    return _NAMES.get(family, family)


def named(text: str) -> str:
    """Return the architecture that a label or a file's name mentions; "" if none."""
    words = re.split(r"[^a-z0-9_]+", text.rpartition("/")[2].lower())
    return next((_NAMES[word] for word in reversed(words) if word in _NAMES), "")


def meant(label: str, image: Path | None) -> str:
    """Return a kernel's architecture by its image, if there is one, else by its name."""
    with suppress(OSError):
        if image is not None and (found := architecture_of(header(image))):
            return found
    return named(label)


def header(image: Path) -> bytes:
    """Return the beginning of an image, which the functions below examine. Raises OSError."""
    with image.open("rb") as file:
        return file.read(_HEADER_BYTES)


def architecture_of(header: bytes) -> str:
    """Return the architecture of an image that QEMU can boot; "" for other files.

    Documentation/arch/x86/boot.rst: "HdrS" at 0x202. Documentation/arch/arm64/booting.rst: "ARMd"
    at 0x38; QEMU decompresses an image that is compressed with gzip.
    """
    if header[0x202:0x206] == b"HdrS":
        return AMD64
    if header[:2] == b"\x1f\x8b":
        try:
            header = zlib.decompressobj(_GZIP).decompress(header, _ARM64_BYTES)
        except zlib.error:
            return ""
    return ARM64 if header[0x38:0x3C] == b"ARMd" else ""


def is_zboot(header: bytes) -> bool:
    """Return whether an image decompresses itself as an EFI program, which needs firmware.

    include/linux/pe.h: "zimg" at 4, behind "MZ".
    """
    return header[:2] == b"MZ" and header[4:8] == b"zimg"


def release_of(header: bytes) -> str:
    """Return the release that an x86 image's first 32 KiB name; "" if it is no such image.

    0x20e holds the offset of the text, less 0x200. An arm64 image has no fixed place for it.
    """
    if architecture_of(header) != AMD64:
        return ""
    at = int.from_bytes(header[0x20E:0x210], "little") + 0x200
    text = header[at : at + _LONGEST_RELEASE].partition(b"\0")[0]
    release = text.partition(b" ")[0].decode("ascii", errors="replace")
    return release if at > 0x200 and release.isprintable() else ""


def machine_of(label: str, vmlinuz: Path) -> Machine:
    """Return the machine for a kernel's image.

    MachineUnfit for a file that is not a kernel, which would run until its time is over, and for
    a kernel of another architecture than its name mentions.
    """
    try:
        beginning = header(vmlinuz)
    except OSError as error:
        raise MachineUnfit(f"kernel image {vmlinuz}: {error.strerror}") from error
    if is_zboot(beginning):
        raise MachineUnfit(
            f"{vmlinuz} is packed as an EFI program, which needs firmware to boot",
            remedy="name the Image of its build",
        )
    architecture = architecture_of(beginning)
    if not architecture:
        raise MachineUnfit(
            f"{vmlinuz} is not a kernel image of x86-64 or arm64",
            remedy="name a bzImage, or an Image of arm64",
        )
    wanted = named(label) or architecture
    if wanted != architecture:
        raise MachineUnfit(
            f"{vmlinuz} is an image of {architecture}, though named {wanted}",
            remedy="rename it",
        )
    return MACHINES[architecture]


def machine_named(label: str) -> Machine:
    """Return the machine for a kernel by its label: by its file's header, else by its name."""
    return MACHINES.get(meant(label, Path(label)), usual())
