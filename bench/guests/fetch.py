# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Fetch one kernel into the store."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from bench.errors import FetchFailed
from bench.guests.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.guests.catalogue import Kernel
    from bench.guests.packages import Package
    from bench.guests.store import Fetched, Store

    Download = Callable[[tuple[Package, ...], Path], tuple[Path, ...]]
    Say = Callable[[str], None]

MB: Final = 1_000_000


def fetch(kernel: Kernel, store: Store, download: Download, say: Say) -> Fetched:
    """Return the kernel from the store; fetch it first if it is not there.

    Whoever else fetches the same is waited for. FetchFailed where disk or network do not allow it:
    then nothing of it is left.
    """
    if (found := store.get(kernel)) is not None:
        return found
    with store.locked(kernel.key, lambda: say(f"{kernel.release} is being fetched; waiting")):
        if (found := store.get(kernel)) is not None:
            return found
        need_room(store.folder, needed_bytes(kernel), kernel.release)
        size_bytes = sum(package.size_bytes for package in kernel.packages)
        say(f"fetching {kernel.release}, {size_bytes / MB:.0f} MB, from {kernel.origin}")
        if not kernel.has_modules:
            say(f"{kernel.release}: its modules have left the archive; few such kernels boot")
        with store.new(kernel) as folder:
            packages = folder / "packages"
            packages.mkdir()
            unpack(download(kernel.packages, packages), kernel.release, folder)
            shutil.rmtree(packages)
    if (found := store.get(kernel)) is None:  # somebody has pruned it already
        raise FetchFailed(f"{kernel.release} vanished from {store.folder}", remedy="fetch it again")
    return found


def needed_bytes(kernel: Kernel) -> int:
    """Return what fetching takes at its peak: packages, their files, modules decompressed."""
    size_bytes = sum(package.size_bytes for package in kernel.packages)
    installed_bytes = sum(package.installed_bytes for package in kernel.packages)
    return size_bytes + max(installed_bytes, _UNPACKED * size_bytes)


_UNPACKED: Final = 3
"""Times a package's size that its kernel takes, where modules lie compressed in it."""


def need_room(folder: Path, needed: int, what: str) -> None:
    """Raise FetchFailed unless so many bytes are free where ``folder`` lies."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed:
        raise FetchFailed(
            f"{what} needs {needed / MB:.0f} MB in {folder}, where {free_bytes / MB:.0f} are free",
            remedy="bufbench kernels prune, or set XDG_CACHE_HOME",
        )
