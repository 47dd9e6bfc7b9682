# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what reproducible guests boot: the machine of an image, and their RAM disk."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from made_up_archive import arm64_image, vmlinuz

from bench.errors import MachineUnfit
from bench.guests.machines import MACHINES, machine_of, own
from bench.questions.exact import plan

_PROGRAM_HEADERS = (("<Q", 32), ("<H", 54), ("<H", 56))  # elf(5): e_phoff, e_phentsize, e_phnum
_MACHINE = 18  # e_machine
_MACHINES = {"amd64": 62, "arm64": 183}
_INTERPRETER = 3  # PT_INTERP


def test_what_is_no_kernel_is_not_booted(tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    with pytest.raises(MachineUnfit, match="No such file"):
        machine_of("x", path)
    path.write_bytes(b"\x7fELF" + bytes(40_000))
    with pytest.raises(MachineUnfit, match="is not a kernel image of x86-64 or arm64"):
        machine_of("x", path)
    path.write_bytes(b"MZ\0\0zimg" + bytes(40_000))
    with pytest.raises(MachineUnfit, match="is packed as an EFI program"):
        machine_of("x", path)


def test_an_image_boots_on_the_machine_of_its_architecture(tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    path.write_bytes(vmlinuz("6.1.0"))
    assert machine_of("x", path) == MACHINES["amd64"]
    for name in ("6.12-arm64", "./Image-arm64"):
        with pytest.raises(MachineUnfit, match="is an image of amd64, though named arm64"):
            machine_of(name, path)
    path.write_bytes(arm64_image())
    assert machine_of("x", path) == MACHINES["arm64"]
    assert machine_of("/some-amd64/Image", path) == MACHINES["arm64"]
    with pytest.raises(MachineUnfit, match="is an image of arm64, though named amd64"):
        machine_of("6.12-amd64", path)


@pytest.mark.parametrize("architecture", MACHINES)
def test_the_first_process_is_small_and_needs_nothing(architecture: str) -> None:
    path = Path(plan.__file__).with_name(f"first-process-{architecture}")
    if architecture != own() and not path.exists():
        with pytest.raises(MachineUnfit, match=r"No such file.*; install gcc-.*-cross"):
            plan.ram_disk(architecture)
        return
    disk = plan.ram_disk(architecture)
    assert len(disk) < 1_000_000
    assert b"\nreserve-submit-wake reserve-submit 72 wake roomy\n" in disk
    program = path.read_bytes()
    assert struct.unpack_from("<H", program, _MACHINE) == (_MACHINES[architecture],)
    start, size, count = (struct.unpack_from(f, program, at)[0] for f, at in _PROGRAM_HEADERS)
    kinds = [struct.unpack_from("<I", program, start + size * number)[0] for number in range(count)]
    assert kinds
    assert _INTERPRETER not in kinds
