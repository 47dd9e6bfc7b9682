# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the store: whole kernels or none, also on a full disk; and files of one's own."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_archive import arm64_image, vmlinuz

from bench.errors import FetchFailed, MachineUnfit, UsageError
from bench.guests.catalogue import Kernel, Package
from bench.guests.machines import architecture_of, release_of
from bench.guests.sources import archives, host, local
from bench.guests.store import Store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app

RELEASE = "6.1.0-56-amd64"
PACKAGE = Package(
    name=f"linux-image-{RELEASE}",
    version="6.1.192-2",
    architecture="amd64",
    size_bytes=1000,
    installed_bytes=2000,
    archive="Made up",
    suite="kernels",
)
KERNEL = Kernel(
    release=RELEASE,
    version="6.1.192-2",
    archive="Made up",
    suite="kernels",
    has_modules=True,
    packages=(PACKAGE,),
)


def deb(folder: Path, *, image_bytes: int = 5000) -> Path:
    """Return a package with an image of that size and nothing else."""
    tree = folder / "made"
    (tree / "boot").mkdir(parents=True)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        f"Package: {PACKAGE.name}\nVersion: 6.1.192-2\nArchitecture: amd64\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: made up\n"
    )
    (tree / f"boot/vmlinuz-{RELEASE}").write_bytes(bytes(image_bytes))
    subprocess.run(
        ["dpkg-deb", "-Zxz", "--build", tree, folder / "made.deb"], check=True, capture_output=True
    )
    return folder / "made.deb"


def fetch(store: Store[Kernel], package: Path, kernel: Kernel = KERNEL) -> None:
    def download(_: tuple[Package, ...], into: Path) -> tuple[Path, ...]:
        return (Path(shutil.copy(package, into)),)

    archives.fetch(store, kernel, download, lambda _: None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a disk of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("only root can make a disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def remains(store: Store[Kernel]) -> list[Path]:
    return list((store.folder / "images").iterdir())


def test_too_little_room_is_reported_before_anything_is_fetched(small_disk: Path) -> None:
    store = Store(small_disk, Kernel)
    kernel = replace(KERNEL, packages=(replace(PACKAGE, size_bytes=2_000_000),))
    lacking = rf"{RELEASE} needs 7.6 MiB in .*, where 4.* MiB are free; bufbench kernels prune"
    with pytest.raises(FetchFailed, match=lacking):
        fetch(store, Path("/nowhere"), kernel)
    assert not remains(store)


def test_a_disk_that_fills_up_is_reported_and_leaves_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    store = Store(small_disk, Kernel)
    with pytest.raises(FetchFailed) as caught:
        fetch(store, deb(tmp_path, image_bytes=8_000_000))
    assert "No space left on device" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not remains(store)
    fetch(store, deb(tmp_path / "small"))
    assert store.get(KERNEL.key)


def test_a_package_without_an_image_is_reported(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", Kernel)
    kernel = replace(KERNEL, release="6.1.0-57-amd64")
    with pytest.raises(FetchFailed, match="holds no kernel image"):
        fetch(store, deb(tmp_path), kernel)
    assert not remains(store)


@pytest.mark.parametrize("words", ["list", "fetch 6.12", "prune", "run 6.12", "exact 6.12"])
def test_without_the_libraries_that_fetch_the_remedy_is_named(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.guests.store.find_spec", lambda name: name != "debian" or None)
    with pytest.raises(MachineUnfit, match=r"python-debian, .*; \./run kernels -- list"):
        app.run(["kernels", *words.split()])


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FetchFailed, match=r"cannot be made.*set XDG_CACHE_HOME"):
        Store(tmp_path / "file/store", Kernel)


@pytest.mark.parametrize("record", [b"", b"{}", b"\xff", b'{"release": 3}'])
def test_a_folder_with_a_damaged_record_is_no_kernel(tmp_path: Path, record: bytes) -> None:
    store = Store(tmp_path, Kernel)
    fetch(store, deb(tmp_path))
    (one,) = store.fetched()
    (one.folder / "kernel.json").write_bytes(record)
    assert not store.fetched()
    assert store.get(KERNEL.key) is None
    fetch(store, tmp_path / "made.deb")
    assert store.get(KERNEL.key)
    (one.folder / "kernel.json").write_bytes(record)
    store.sweep()
    assert not remains(store)


HOLDER = """
import sys, time
from pathlib import Path
from bench.guests.catalogue import Kernel
from bench.guests.store import Store
store = Store(Path(sys.argv[1]), Kernel)
with store.locked(sys.argv[2], lambda: None):
    print("held", flush=True)
    time.sleep(60)
"""


def test_what_another_process_fetches_is_neither_swept_nor_pruned(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", Kernel)
    fetch(store, deb(tmp_path))
    (store.folder / f"images/.partial-{KERNEL.key}.abcd").mkdir()
    command = [sys.executable, "-c", HOLDER, store.folder, KERNEL.key]
    python = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": python}
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert list(store.prune(lambda _: ())) == [f"kept {RELEASE}, which is being fetched"]
        assert len(remains(store)) == 2
        holder.kill()
    (said,) = store.prune(lambda _: ())
    assert re.fullmatch(rf"removed {RELEASE}, [\d.]+ (B|KiB)", said)
    assert not remains(store)


def test_an_image_of_ones_own_names_its_release(tmp_path: Path) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(vmlinuz("6.14.0-rc3+"))
    modules = tmp_path / "root/lib/modules/6.14.0-rc3+"
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    alone = local.image(str(image))
    assert (alone.release, alone.modules, alone.origin) == ("6.14.0-rc3+", None, "local file")
    for folder in (modules, tmp_path / "root"):
        both = local.image(f"{image}:{folder}")
        assert (both.release, both.modules) == ("6.14.0-rc3+", modules)


def test_of_several_kernels_modules_an_image_takes_its_own(tmp_path: Path) -> None:
    image = tmp_path / "bzImage"
    below = tmp_path / "root/lib/modules"
    for release in ("6.1.0", "6.14.0-rc3+", "6.15.0"):
        (below / release).mkdir(parents=True)
        (below / release / "modules.dep").touch()
    image.write_bytes(vmlinuz("6.14.0-rc3+"))
    for folder in (below, tmp_path / "root"):
        found = local.image(f"{image}:{folder}")
        assert found.modules == below / "6.14.0-rc3+"
    image.write_bytes(vmlinuz("6.16.0"))
    with pytest.raises(UsageError, match="has modules of 3 kernels"):
        local.image(f"{image}:{below}")


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", bytes(0x300), b"\0" * 0x202 + b"HdrS", arm64_image()]
)
def test_other_files_give_no_release(content: bytes) -> None:
    assert not release_of(content)


@pytest.mark.parametrize(
    ("image", "architecture"),
    [
        (vmlinuz("6.1.0"), "amd64"),
        (arm64_image(), "arm64"),
        (gzip.compress(arm64_image()), "arm64"),
        (gzip.compress(vmlinuz("6.1.0")), ""),  # QEMU boots no such thing
        (b"\x1f\x8b" + bytes(100), ""),
        (b"\x1f\x8b", ""),
        (b"", ""),
        (b"\x7fELF" + bytes(1000), ""),
        (b"MZ\0\0zimg".ljust(0x1000, b"\0"), ""),
    ],
)
def test_an_image_gives_its_architecture(image: bytes, architecture: str) -> None:
    assert architecture_of(image) == architecture


def test_files_that_are_not_there_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kernel image nowhere: No such file"):
        local.image("nowhere")
    with pytest.raises(UsageError, match=r"has no modules\.dep"):
        local.image(f"{__file__}:{tmp_path}")


def test_the_hosts_kernel_is_found(tmp_path: Path) -> None:
    release = os.uname().release
    nowhere = host.image(tmp_path)
    assert (nowhere.release, nowhere.modules) == (release, None)
    modules = tmp_path / "lib/modules" / release
    modules.mkdir(parents=True)
    for name in ("vmlinuz", "modules.dep"):
        (modules / name).touch()
    found = host.image(tmp_path)
    assert (found.release, found.modules, found.vmlinuz) == (release, modules, modules / "vmlinuz")
