# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep fetched kernels: below XDG_CACHE_HOME, each whole or not there at all.

They are unpacked, not installed, and no script of a package is run.

images/KEY/kernel.json             what it is
images/KEY/lib/modules/RELEASE/    vmlinuz, config, modules
images/.partial-KEY.RANDOM/        being fetched, or left behind by a process that was killed
locks/KEY.lock                     held by whoever fetches it; the kernel drops it with its holder
apt-DIGEST/                        private APT roots, one for each list of archives
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from bench.errors import FetchFailed
from bench.guests.catalogue import Kernel, Package, newest
from bench.host import process

ROOT: Final = "apt-"
"""Begins the names of private APT roots; each one's lock has its name."""

_RECORD: Final = "kernel.json"
_PARTIAL: Final = ".partial-"
_KERNEL: Final = TypeAdapter(Kernel)
_MB: Final = 1_000_000
_UNPACKED: Final = 3
"""Times a package's size that its kernel takes, where modules lie compressed in it."""

_UNPACK_S: Final = 600.0
_BATCH: Final = 200
_FULL_BYTES: Final = 1 << 16

# What an emulated machine never has. It is most of a kernel: 4,225 modules of 7.3 become 2,102.
_NO_GUEST_HAS: Final = (
    *("sound", "drivers/accel", "drivers/bluetooth", "drivers/comedi", "drivers/gpu"),
    *("drivers/hwmon", "drivers/iio", "drivers/infiniband", "drivers/media", "drivers/mtd"),
    *("drivers/net/can", "drivers/net/ethernet", "drivers/net/usb", "drivers/net/wireless"),
    *("drivers/platform", "drivers/staging"),
)

Download = Callable[[tuple[Package, ...], Path], tuple[Path, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Point to a kernel in the store."""

    kernel: Kernel
    folder: Path

    @property
    def vmlinuz(self) -> Path:
        """Return the image."""
        return self.folder / "lib/modules" / self.kernel.release / "vmlinuz"

    @property
    def modules(self) -> Path | None:
        """Return the folder .../lib/modules/RELEASE; None if the archive had no modules of it."""
        return self.vmlinuz.parent if (self.vmlinuz.parent / "modules.dep").exists() else None


class Store:
    """Manage the store in ``folder``, made if it is not there; FetchFailed where that cannot be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._images = folder / "images"
        self._locks = folder / "locks"
        try:
            for path in (self._images, self._locks):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FetchFailed(
                f"{folder} cannot be made: {error.strerror}", remedy="set XDG_CACHE_HOME"
            ) from error

    def fetched(self) -> tuple[Fetched, ...]:
        """Return all kernels that are here, in no order."""
        found = (self._read(path.parent) for path in self._images.glob(f"[!.]*/{_RECORD}"))
        return tuple(one for one in found if one is not None)

    def get(self, kernel: Kernel) -> Fetched | None:
        """Return this kernel, if it is here."""
        return self._read(self._images / kernel.key)

    def fetch(self, kernel: Kernel, download: Download, say: Callable[[str], None]) -> Fetched:
        """Return a kernel; fetch it first if it is not here.

        Whoever else fetches the same is waited for. FetchFailed where disk or network do not allow
        it: then nothing of it is left.
        """
        if found := self.get(kernel):
            return found
        release = kernel.release
        size_bytes = sum(package.size_bytes for package in kernel.packages)
        installed_bytes = sum(package.installed_bytes for package in kernel.packages)
        # At its peak: packages, their files, modules decompressed.
        needed_bytes = size_bytes + max(installed_bytes, _UNPACKED * size_bytes)
        with self.locked(kernel.key, lambda: say(f"{release} is being fetched; waiting")):
            if found := self.get(kernel):
                return found
            with self.room(needed_bytes, release), self._partial(kernel.key) as folder:
                say(f"fetching {release}, {size_bytes / _MB:.0f} MB, from {kernel.origin}")
                if not kernel.has_modules:
                    say(f"{release}: its modules have left the archive; few such kernels boot")
                packages = folder / "packages"
                packages.mkdir()
                _unpack(download(kernel.packages, packages), release, folder)
                shutil.rmtree(packages)
                (folder / _RECORD).write_bytes(_KERNEL.dump_json(kernel, indent=1))
                place = self._images / kernel.key
                if place.exists():  # damaged: else there was nothing to fetch
                    self._discard(place)
                folder.rename(place)
        if found := self.get(kernel):
            return found
        raise FetchFailed(f"{release} vanished from {self.folder}", remedy="fetch it again")

    @contextmanager
    def locked(self, name: str, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
        """Hold a lock: a kernel's key, or what else there is only one of.

        While another process holds it, call ``waiting`` and wait; without ``waiting``, yield False.
        """
        lock = FileLock(self._locks / f"{name}.lock")
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            if waiting is None:
                yield False
                return
            waiting()
            held = lock.acquire()
        with held:
            yield True

    @contextmanager
    def room(self, needed_bytes: int, what: str) -> Iterator[None]:
        """Raise FetchFailed unless so many bytes are free, and where the disk fills up within."""
        free_bytes = shutil.disk_usage(self.folder).free
        if free_bytes < needed_bytes:
            raise FetchFailed(
                f"{what} needs {needed_bytes / _MB:.0f} MB in {self.folder}, where"
                f" {free_bytes / _MB:.0f} are free",
                remedy="bufbench kernels prune, or set XDG_CACHE_HOME",
            )
        try:
            yield
        except OSError as error:
            raise FetchFailed(
                f"{what} cannot be written into {self.folder}: {error.strerror}",
                remedy="bufbench kernels prune makes room; XDG_CACHE_HOME names another place",
            ) from error

    def sweep(self) -> None:
        """Remove what fetches left behind that were killed, and what has no record or a bad one.

        While the lock is held, nothing is touched.
        """
        for folder in self._images.iterdir():
            key = folder.name
            if key.startswith(_PARTIAL):
                key, _, _ = key.removeprefix(_PARTIAL).rpartition(".")
            elif self._read(folder) is not None:
                continue
            with self.locked(key) as free:
                # Somebody may have fetched it anew before the lock was taken.
                if free and self._read(folder) is None:
                    shutil.rmtree(folder, ignore_errors=True)

    def prune(self, *, every: bool) -> Iterator[str]:
        """Remove kernels that a newer one of the series replaces, or ``every`` one and all lists.

        Gives a line for each thing removed, as it goes. Nothing is touched that is just being
        fetched; what goes is gone at once for everybody else, however long it takes.
        """
        self.sweep()
        fetched = self.fetched()
        kept = () if every else newest(one.kernel for one in fetched)
        for one in fetched:
            if one.kernel in kept:
                continue
            with self.locked(one.kernel.key) as free:
                if free and one.folder.exists():
                    size_bytes = sum(path.lstat().st_size for path in one.folder.rglob("*"))
                    self._discard(one.folder)
                    yield f"removed {one.kernel.release}, {size_bytes / _MB:.0f} MB"
                elif not free:
                    yield f"kept {one.kernel.release}, which is being fetched"
        removed = 0
        for root in self.folder.glob(f"{ROOT}*") if every else ():
            with self.locked(root.name) as free:
                if free:
                    shutil.rmtree(root, ignore_errors=True)
                    removed += 1
        if removed:
            yield "removed the archives' lists"

    @contextmanager
    def _partial(self, key: str) -> Iterator[Path]:
        """Make an empty folder, and remove it where it was not renamed.

        Its name is new each time: a killed fetch's last child may still write into the old one.
        """
        folder = Path(mkdtemp(prefix=f"{_PARTIAL}{key}.", dir=self._images))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _discard(self, folder: Path) -> None:
        with self._partial(folder.name) as gone:
            folder.rename(gone)

    def _read(self, folder: Path) -> Fetched | None:
        with suppress(OSError, ValidationError):
            kernel = _KERNEL.validate_json((folder / _RECORD).read_bytes())
            if kernel.packages and kernel.key == folder.name:
                return Fetched(kernel=kernel, folder=folder)
        return None


def opened() -> Store:
    """Open the user's store."""
    import platformdirs

    return Store(platformdirs.user_cache_path("bufbench") / "kernels")


def _unpack(packages: Sequence[Path], release: str, into: Path) -> None:
    """Make ``into``/lib/modules/RELEASE: vmlinuz, config and modules, with depmod's files.

    Modules come out decompressed, as small initial RAM disks want them, and without those that no
    guest has a use for. ``into`` is used for the work too. FetchFailed if a package cannot be
    unpacked or holds no kernel.
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
    modules = folder / "kernel"
    if modules.is_dir():
        for name in _NO_GUEST_HAS:
            shutil.rmtree(modules / name, ignore_errors=True)
        packed = [*modules.rglob("*.ko.xz"), *modules.rglob("*.ko.zst")]  # zstd knows both
        unpack = ["zstd", "-q", "-d", "--rm"]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            batches = [packed[at : at + _BATCH] for at in range(0, len(packed), _BATCH)]
            list(pool.map(lambda batch: _run([*unpack, *batch], modules), batches))
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
