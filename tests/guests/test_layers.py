# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what is taken out of an image's layers, and that nothing else is: no link, no bomb."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest
from made_up_archive import vmlinuz
from made_up_oci import Entry, ci_kernel, layer, lvh_kernel, packed

from bench.guests import unpack
from bench.guests.unpack import BadImage

PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
RELEASE = "6.12.81"
IMAGE = vmlinuz(RELEASE)

pytestmark = pytest.mark.skipif(
    not all(shutil.which(name, path=PATHS) for name in ("zstd", "depmod")),
    reason="there is no zstd or no depmod",
)


def take(
    folder: Path, *layers: dict[str, Entry] | bytes, form: str = "gzip", **limits: int
) -> Path:
    """Return the folder of the kernel that is taken."""
    files = []
    for number, each in enumerate(layers):
        path = folder / f"layer{number}"
        path.write_bytes(packed(each if isinstance(each, bytes) else layer(each), form))
        files.append(path)
    into = folder / "into"
    into.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr(unpack, name, value)
        return into / "lib/modules" / unpack.take_kernel(files, into)


def names(folder: Path) -> set[str]:
    """Return all files but those that depmod wrote."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("modules.")}


@pytest.mark.parametrize("form", ["gzip", "zstd", ""])
def test_a_kernel_of_ci_kernels_is_taken(tmp_path: Path, form: str) -> None:
    folder = take(tmp_path, ci_kernel(IMAGE, RELEASE), form=form)
    assert folder.name == RELEASE
    assert names(folder) == {"vmlinuz", "updates/bpf_testmod.ko"}
    assert (folder / "vmlinuz").read_bytes() == IMAGE
    assert (folder / "modules.dep").exists()
    assert not [path for path in (tmp_path / "into").rglob("*") if path.is_symlink()]


def test_a_kernel_of_little_vm_helper_is_taken(tmp_path: Path) -> None:
    folder = take(tmp_path, {"bin/sh": b"#!"}, lvh_kernel(IMAGE, RELEASE))
    assert names(folder) == {"vmlinuz", "config", "kernel/fs/fuse.ko"}
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["lib"]


def test_an_image_alone_has_no_modules(tmp_path: Path) -> None:
    folder = take(tmp_path, {"./boot/bzImage": IMAGE, f"lib/modules/{RELEASE}/config": b"y"})
    assert names(folder) == {"vmlinuz", "config"}
    assert not (folder / "modules.dep").exists()


def test_a_layer_removes_and_replaces_what_lies_below(tmp_path: Path) -> None:
    modules = f"lib/modules/{RELEASE}"
    below: dict[str, Entry] = {
        "boot/vmlinuz-5.0.0": vmlinuz("5.0.0"),
        "boot/vmlinuz": vmlinuz("6.12.80"),
        f"{modules}/kernel/fs/gone.ko": b"gone",
        f"{modules}/extra/old.ko": b"old",
        f"{modules}/kernel/net/kept.ko": b"kept",
    }
    above: dict[str, Entry] = {
        "boot/.wh.vmlinuz-5.0.0": b"",
        "boot/vmlinuz": IMAGE,
        f"{modules}/kernel/.wh.fs": b"",
        f"{modules}/extra/new.ko": b"new",
        f"{modules}/extra/.wh..wh..opq": b"",
    }
    folder = take(tmp_path, below, above)
    assert names(folder) == {"vmlinuz", "kernel/net/kept.ko", "extra/new.ko"}
    assert (folder / "vmlinuz").read_bytes() == IMAGE


def test_nothing_leaves_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    modules = f"lib/modules/{RELEASE}"
    hard = tarfile.TarInfo(f"{modules}/kernel/hard.ko")
    hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/shadow"
    device = tarfile.TarInfo(f"{modules}/kernel/device.ko")
    device.type = tarfile.CHRTYPE
    folder = take(
        tmp_path,
        {
            "lib": str(outside),
            f"{modules}/kernel": str(outside),
            f"{modules}/kernel/a.ko": b"through a link",
            f"{modules}/../../../../outside/b.ko": b"above",
            f"{outside}/{modules}/c.ko": b"absolute",
            f"../{modules}/d.ko": b"above",
            f"{modules}/config": "/etc/shadow",
            "hard": hard,
            "device": device,
            "boot/vmlinuz": IMAGE,
        },
    )
    assert names(folder) == {"vmlinuz", "kernel/a.ko"}
    assert not [*outside.iterdir()]
    assert {path.name for path in tmp_path.iterdir()} == {"outside", "into", "layer0"}


@pytest.mark.parametrize("release", ["../../../x", "a/b", "..", "-x", "x\x1b[31m"])
def test_a_release_that_is_a_path_is_refused(tmp_path: Path, release: str) -> None:
    with pytest.raises(BadImage, match="is no x86 kernel image"):
        take(tmp_path, {"boot/vmlinuz": vmlinuz(release)})
    assert not (tmp_path / "into/lib").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"etc/passwd": b"root"}, "holds no kernel"),
        ({"boot/vmlinuz": b"text"}, "is no x86 kernel image"),
        ({"boot/vmlinuz": "vmlinuz-6.12"}, "holds no kernel"),
        (
            {"boot/vmlinuz-6.1": vmlinuz("6.1"), "boot/vmlinuz-6.2": vmlinuz("6.2")},
            "holds 2 kernels: 6.1, 6.2",
        ),
        (b"this is no archive", "damaged layer"),
        (b"", "damaged layer"),
        (layer({"boot/vmlinuz": IMAGE})[:-700_000], "damaged layer"),
    ],
)
def test_what_holds_no_kernel_is_named(
    tmp_path: Path, content: dict[str, Entry] | bytes, why: str
) -> None:
    with pytest.raises(BadImage, match=why):
        take(tmp_path, content)


def long_header(size: int) -> bytes:
    """Return a pax header of that size, which tarfile would hold in memory."""
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, size
    return head.tobuf(tarfile.USTAR_FORMAT) + bytes(size)


@pytest.mark.parametrize(
    ("content", "limits"),
    [
        ({"var/zeros": bytes(10 << 20)}, {"_UNPACKED_BYTES": 8 << 20}),
        ({"boot/vmlinuz": IMAGE + bytes(8 << 20)}, {"_TAKEN_BYTES": 4 << 20}),
        ({f"etc/{number}": b"" for number in range(50)}, {"_MEMBERS": 40}),
        (long_header(20 << 20), {}),
    ],
    ids=["bytes", "kernel", "files", "header"],
)
def test_a_bomb_is_refused(
    tmp_path: Path, content: dict[str, Entry] | bytes, limits: dict[str, int]
) -> None:
    with pytest.raises(BadImage, match="unpacks to more than a kernel's may"):
        take(tmp_path, content, {"boot/vmlinuz": IMAGE}, **limits)


def test_limits_hold_over_all_layers(tmp_path: Path) -> None:
    layers = [{"var/zeros": bytes(3 << 20)} for _ in range(3)]
    with pytest.raises(BadImage, match="unpacks to more"):
        take(tmp_path, *layers, _UNPACKED_BYTES=8 << 20)
