# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Unpack kernels: below INTO, lib/modules/RELEASE with vmlinuz, config and modules."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from errno import ENOSPC
from pathlib import Path
from typing import Final

from bench.errors import FetchFailed
from bench.host import process

_UNPACK_S: Final = 600.0
_BATCH: Final = 200
_LARGEST_MODULE_BYTES: Final = 1 << 28
_FULL_BYTES: Final = 1 << 16

# What an emulated machine never has. It is most of a kernel: 4,225 modules of 7.3 become 2,102.
_NO_GUEST_HAS: Final = (
    *("sound", "drivers/accel", "drivers/bluetooth", "drivers/comedi", "drivers/gpu"),
    *("drivers/hwmon", "drivers/iio", "drivers/infiniband", "drivers/media", "drivers/mtd"),
    *("drivers/net/can", "drivers/net/ethernet", "drivers/net/usb", "drivers/net/wireless"),
    *("drivers/platform", "drivers/staging"),
)


def unpack(packages: Sequence[Path], release: str, into: Path) -> None:
    """Unpack a kernel's packages.

    ``into`` is used for the work too. FetchFailed if a package cannot be unpacked or holds no
    kernel.
    """
    tree = into / "tree"
    for package in packages:
        _run(["dpkg-deb", "-x", package, tree], into)
    folder = into / "lib/modules" / release
    folder.mkdir(parents=True)
    for modules in (tree / "lib/modules" / release, tree / "usr/lib/modules" / release):
        for path in modules.glob("*"):
            path.rename(folder / path.name)
    for name in ("vmlinuz", "config"):  # in /boot until 6.18
        path = tree / "boot" / f"{name}-{release}"
        if path.is_file():
            path.rename(folder / name)
    shutil.rmtree(tree)
    if not (folder / "vmlinuz").is_file():
        raise FetchFailed(f"{packages[0].name} holds no kernel image", remedy="try another version")
    shutil.rmtree(folder / "dtb", ignore_errors=True)  # of boards; QEMU describes its machine
    if (folder / "kernel").is_dir():
        settle_modules(release, into)


def settle_modules(release: str, into: Path) -> None:
    """Decompress modules, as small initial RAM disks want them, and write depmod's files.

    Those that no guest has a use for are removed.
    """
    modules = into / "lib/modules" / release
    for name in _NO_GUEST_HAS:
        shutil.rmtree(modules / "kernel" / name, ignore_errors=True)
    packed = [path for kind in ("xz", "zst", "gz") for path in modules.rglob(f"*.ko.{kind}")]
    # zstd knows them all; no module is as large as what a hostile one may unpack to.
    decompress = ["prlimit", f"--fsize={_LARGEST_MODULE_BYTES}", "zstd", "-q", "-d", "--rm"]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        batches = [packed[at : at + _BATCH] for at in range(0, len(packed), _BATCH)]
        list(pool.map(lambda batch: _run([*decompress, *batch], modules), batches))
    _run(["depmod", "-b", into, release], into)


def _run(argv: Sequence[str | Path], into: Path) -> None:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # depmod's
    try:
        process.run(argv, timeout_s=_UNPACK_S, env={"PATH": path, "LC_ALL": "C.UTF-8"})
    except process.ProgramFailed as failed:
        if failed.completed is None:
            raise FetchFailed(failed.message, remedy="install dpkg, kmod and zstd") from failed
        if shutil.disk_usage(into).free < _FULL_BYTES:  # programs report it in too many ways
            raise FetchFailed(
                f"{argv[0]}: {os.strerror(ENOSPC)}",
                remedy="bufbench kernels prune, or set XDG_CACHE_HOME",
            ) from failed
        raise FetchFailed(failed.message, remedy="fetch it again") from failed
