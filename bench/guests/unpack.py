# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""From packages to a kernel that can be booted. Nothing is installed, and no script is run."""

from __future__ import annotations

import lzma
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from errno import ENOSPC
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import FetchFailed
from bench.host import process

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNPACK_S: Final = 600.0
_DEPMOD_S: Final = 300.0
_BATCH: Final = 200
_FULL_BYTES: Final = 1 << 16

# What an emulated machine never has. It is most of a kernel: 4,225 modules of 7.3 become 2,102.
_NO_GUEST_HAS: Final = (
    "sound",
    *(
        f"drivers/{name}"
        for name in (
            "accel",
            "bluetooth",
            "comedi",
            "gpu",
            "hwmon",
            "iio",
            "infiniband",
            "media",
            "mtd",
            "net/can",
            "net/ethernet",
            "net/usb",
            "net/wireless",
            "platform",
            "staging",
        )
    ),
)


def unpack(packages: Sequence[Path], release: str, into: Path) -> None:
    """Make ``into``/lib/modules/RELEASE: vmlinuz, config and modules, with depmod's files.

    Modules come out decompressed, as small initial RAM disks want them, and without those that no
    guest has a use for. ``into`` is used for the work too. FetchFailed if a package cannot be
    unpacked or holds no kernel.
    """
    tree = into / "tree"
    for package in packages:
        _run(["dpkg-deb", "-x", package, tree], into, timeout_s=_UNPACK_S)
    folder = into / "lib/modules" / release
    folder.mkdir(parents=True)
    for place in (tree / "lib/modules" / release, tree / "usr/lib/modules" / release):
        for path in place.iterdir() if place.is_dir() else ():
            path.rename(folder / path.name)
    for name in ("vmlinuz", "config"):  # in /boot until 6.18
        path = tree / "boot" / f"{name}-{release}"
        if path.is_file():
            path.rename(folder / name)
    shutil.rmtree(tree)
    if not (folder / "vmlinuz").is_file():
        raise FetchFailed(f"{packages[0].name} holds no kernel image", remedy="try another version")
    modules = folder / "kernel"
    if modules.is_dir():
        for name in _NO_GUEST_HAS:
            shutil.rmtree(modules / name, ignore_errors=True)
        _decompress(modules)
        _run(["depmod", "-b", into, release], into, timeout_s=_DEPMOD_S)


def _decompress(modules: Path) -> None:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(_decompress_xz, sorted(modules.rglob("*.ko.xz"))):
            pass
    zst = sorted(modules.rglob("*.ko.zst"))
    for at in range(0, len(zst), _BATCH):
        _run(["zstd", "-q", "-d", "--rm", *zst[at : at + _BATCH]], modules, timeout_s=_UNPACK_S)


def _decompress_xz(path: Path) -> None:
    try:
        content = lzma.decompress(path.read_bytes())
    except lzma.LZMAError as error:
        raise FetchFailed(f"{path.name} is damaged: {error}", remedy="fetch it again") from error
    path.with_suffix("").write_bytes(content)
    path.unlink()


def _run(argv: Sequence[str | Path], into: Path, *, timeout_s: float) -> None:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # depmod's
    try:
        process.run(argv, timeout_s=timeout_s, env={"PATH": path, "LC_ALL": "C.UTF-8"})
    except process.ProgramFailed as failed:
        if failed.completed is None:
            raise FetchFailed(failed.message, remedy="install dpkg, kmod and zstd") from failed
        if shutil.disk_usage(into).free < _FULL_BYTES:  # programs say it in too many ways
            raise FetchFailed(
                f"{argv[0]}: {os.strerror(ENOSPC)}",
                remedy="bufbench kernels prune, or set XDG_CACHE_HOME",
            ) from failed
        raise FetchFailed(failed.message, remedy="fetch it again") from failed
