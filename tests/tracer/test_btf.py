# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read BTF back as a compiler writes it, and the kernel's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.errors import MachineUnfit
from bench.tracer import btf

KERNEL = pytest.mark.skipif(not btf.VMLINUX.exists(), reason="this kernel has no BTF")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """Return a file of BTF, and what the compiler says of the same types."""
    folder = tmp_path_factory.mktemp("btf")
    source, program, raw = Path(__file__).with_name("types.c"), folder / "types", folder / "btf"
    subprocess.run(["gcc", "-gbtf", source, "-o", program], check=True)
    subprocess.run(["objcopy", "--dump-section", f".BTF={raw}", program], check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return raw, [line.split() for line in printed.splitlines()]


def test_offsets_are_the_compilers(compiled: tuple[Path, list[list[str]]]) -> None:
    raw, printed = compiled
    assert printed
    with btf.opened(raw) as types:
        for structure, path, expected in printed:
            assert types.offset(structure, *path.split(".")) == int(expected), path


def test_what_is_not_there(compiled: tuple[Path, list[list[str]]]) -> None:
    with btf.opened(compiled[0]) as types:
        assert types.field("outer", "absent") is None
        assert types.field("absent", "plain") is None
        with pytest.raises(MachineUnfit, match=r"outer\.absent"):
            types.offset("outer", "absent")
        with pytest.raises(MachineUnfit, match="struct absent"):
            types.size("absent")


def test_no_btf_at_all(tmp_path: Path) -> None:
    with pytest.raises(MachineUnfit, match="no BTF"), btf.opened(tmp_path / "vmlinux"):
        pass


@pytest.mark.parametrize("text", [b"", b"nonsense", os.urandom(4096)])
def test_damaged_btf(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(text)
    with pytest.raises(MachineUnfit, match="cannot read"), btf.opened(path):
        pass


@KERNEL
def test_the_running_kernel_has_what_the_tracer_needs() -> None:
    with btf.opened() as types:
        found = btf.offsets(types)
        size_bytes = types.size("task_struct")
    task = {name: at for name, at in found.items() if name.startswith("OFFSET_TASK")}
    assert len(set(task.values())) == len(task) > 5
    assert all(0 < at < size_bytes for at in task.values())
    assert found["SIZE_UPID"] == 16


@KERNEL
def test_facts_are_words() -> None:
    with btf.opened() as types:
        facts = btf.kernel_facts(types, {"group_dead": 28})
        without = btf.kernel_facts(types, {})
    assert facts["ring_buffer"] == "yes"
    assert (facts["exit_group_dead"], without["exit_group_dead"]) == ("yes", "no")
    assert all(isinstance(value, str) and value for value in facts.values())
