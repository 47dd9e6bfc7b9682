# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Guests that come out the same: their RAM disk, and one real kernel booted twice."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from made_up_archive import vmlinuz

from bench.errors import BufbenchError, MachineUnfit
from bench.guests import reproducible
from bench.guests.reproducible import Request, Settings
from bench.guests.sources import Image, Options, provide
from bench.questions.exact import plan, report
from bench.questions.exact.report import Counted

_PROGRAM_HEADERS = (("<Q", 32), ("<H", 54), ("<H", 56))  # elf(5): e_phoff, e_phentsize, e_phnum
_INTERPRETER = 3  # PT_INTERP


def image(path: Path) -> Image:
    return Image(label="x", release="", vmlinuz=path, modules=None, origin="")


def test_the_ram_disk_is_what_cpio_reads(tmp_path: Path) -> None:
    files = {"init": (0o755, b"#!/bin/sh\n"), "plan": (0o644, b"abc"), "empty": (0o600, b"")}
    disk = reproducible.initrd(files)
    assert len(disk) % 4 == 0
    if shutil.which("busybox") is None:
        pytest.skip("no busybox")
    subprocess.run(["busybox", "cpio", "-id"], input=disk, cwd=tmp_path, check=True)
    for name, (mode, content) in files.items():
        assert (tmp_path / name).read_bytes() == content
        assert (tmp_path / name).stat().st_mode & 0o777 == mode


def test_what_is_no_kernel_is_not_booted(tmp_path: Path) -> None:
    path = tmp_path / "vmlinuz"
    with pytest.raises(MachineUnfit, match="No such file"):
        reproducible.check(image(path))
    path.write_bytes(b"\x7fELF" + bytes(40_000))
    with pytest.raises(MachineUnfit, match="is not a kernel image of x86-64"):
        reproducible.check(image(path))
    path.write_bytes(vmlinuz("6.1.0"))
    reproducible.check(image(path))


def test_the_first_process_is_small_and_needs_nothing() -> None:
    disk = plan.ram_disk()
    assert len(disk) < 1_000_000
    assert b"\nreserve-submit-wake reserve-submit 72 wake roomy\n" in disk
    program = Path(plan.__file__).with_name("first-process").read_bytes()
    start, size, count = (struct.unpack_from(f, program, at)[0] for f, at in _PROGRAM_HEADERS)
    kinds = [struct.unpack_from("<I", program, start + size * number)[0] for number in range(count)]
    assert kinds
    assert _INTERPRETER not in kinds


@pytest.mark.live
@pytest.mark.slow
def test_two_boots_are_equal_to_the_byte(tmp_path: Path) -> None:
    if shutil.which(reproducible.PROGRAM) is None:
        pytest.skip("no QEMU")
    try:
        (kernel,) = provide(["6.1-cloud"], Options(say=lambda _: None))
    except BufbenchError as error:
        pytest.skip(f"no kernel can be had: {error}")
    disk = tmp_path / "initrd"
    disk.write_bytes(plan.ram_disk())
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder in folders:
        folder.mkdir()
    requests = (
        Request(image=kernel, seed=seed, folder=folder)
        for seed, folder in zip((1, 1, 2), folders, strict=True)
    )
    settings = Settings(initrd=disk, time_limit_s=300)
    found = dict(reproducible.boots(lambda: next(requests, None), settings, jobs=1))
    one, two, other = found.values()
    assert (one.console, one.report) == (two.console, two.report)
    assert one.report != other.report
    read = report.parse(one.report)
    assert read.facts["release"] == kernel.release
    assert {each.name for each in read.calls if isinstance(each, Counted)} >= {
        *("empty", "reserve-submit", "ring-output", "perf-output", "reserve-refused"),
    }
