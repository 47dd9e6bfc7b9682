# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Where fetched kernels lie: below XDG_CACHE_HOME, each whole or not there at all.

images/KEY/kernel.json             what it is
images/KEY/lib/modules/RELEASE/    vmlinuz, config, modules
images/.partial-KEY.RANDOM/        being fetched, or left behind by somebody who was killed
locks/KEY.lock                     held by whoever fetches it; the kernel drops it with its holder
apt-DIGEST/                        private APT roots, one for each list of sources
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from bench.errors import FetchFailed
from bench.guests.catalogue import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORD: Final = "kernel.json"
ROOT: Final = "apt-"
"""What private APT roots' names begin with; the lock of each is called as it is."""

_PARTIAL: Final = ".partial-"
_KERNEL: Final = TypeAdapter(Kernel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A kernel in the store."""

    kernel: Kernel
    folder: Path

    @property
    def vmlinuz(self) -> Path:
        """The image."""
        return self._files / "vmlinuz"

    @property
    def modules(self) -> Path | None:
        """The folder .../lib/modules/RELEASE; None if the archive had no modules of it."""
        return self._files if (self._files / "modules.dep").exists() else None

    @property
    def bytes(self) -> int:
        """What it takes on the disk."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*"))

    @property
    def _files(self) -> Path:
        return self.folder / "lib/modules" / self.kernel.release


class Store:
    """The store in ``folder``; made if it is not there. FetchFailed where that cannot be."""

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
        found = (self._read(path.parent) for path in self._images.glob(f"[!.]*/{RECORD}"))
        return tuple(one for one in found if one is not None)

    def get(self, kernel: Kernel) -> Fetched | None:
        """Return this kernel, if it is here."""
        return self._read(self._images / kernel.key)

    @contextmanager
    def locked(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold a lock; if it is somebody else's, ``waiting`` is called and then waited.

        Names are kernels' keys, and what else there is only one of.
        """
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def new(self, kernel: Kernel) -> Iterator[Path]:
        """Make an empty folder that becomes the kernel's once all went well; hold its lock.

        Its name is new each time: a killed fetch's last child may still write into the old one.
        """
        with self.written(kernel.release):
            partial = Path(mkdtemp(prefix=f"{_PARTIAL}{kernel.key}.", dir=self._images))
            try:
                yield partial
                (partial / RECORD).write_bytes(_KERNEL.dump_json(kernel, indent=1))
                folder = self._images / kernel.key
                if folder.exists():  # damaged, or nobody would fetch it
                    self._discard(folder)
                partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def written(self, what: str) -> Iterator[None]:
        """Turn errors of a full disk into FetchFailed, around what writes into the store."""
        try:
            yield
        except OSError as error:
            raise FetchFailed(
                f"{what} cannot be written into {self.folder}: {error.strerror}",
                remedy="bufbench kernels prune makes room; XDG_CACHE_HOME names another place",
            ) from error

    def sweep(self) -> None:
        """Remove what fetches left behind that were killed, and what has no record or a bad one.

        Where somebody holds the lock, nothing is touched.
        """
        for folder in self._images.iterdir():
            key = folder.name
            if key.startswith(_PARTIAL):
                key, _, _ = key.removeprefix(_PARTIAL).rpartition(".")
            elif self._read(folder) is not None:
                continue
            with self._unless_held(key) as free:
                # Somebody may have fetched it anew before the lock was taken.
                if free and self._read(folder) is None:
                    shutil.rmtree(folder, ignore_errors=True)

    def remove(self, fetched: Fetched) -> bool:
        """Remove a kernel, at once for everybody else; False if it is just being fetched."""
        with self._unless_held(fetched.kernel.key) as free:
            if free and fetched.folder.exists():
                self._discard(fetched.folder)
        return free

    def _discard(self, folder: Path) -> None:
        """Remove a folder: at once for everybody else, however long it takes."""
        gone = Path(mkdtemp(prefix=f"{_PARTIAL}{folder.name}.", dir=self._images))
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def remove_lists(self) -> bool:
        """Remove the private APT roots; False if there is none, or all are in use."""
        removed = False
        for root in self.folder.glob(f"{ROOT}*"):
            with self._unless_held(root.name) as free:
                if free:
                    shutil.rmtree(root, ignore_errors=True)
                    removed = True
        return removed

    @contextmanager
    def _unless_held(self, name: str) -> Iterator[bool]:
        lock = self._lock(name)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _lock(self, name: str) -> FileLock:
        return FileLock(self._locks / f"{name}.lock")

    def _read(self, folder: Path) -> Fetched | None:
        with suppress(OSError, ValidationError):
            kernel = _KERNEL.validate_json((folder / RECORD).read_bytes())
            if kernel.packages and kernel.key == folder.name:
                return Fetched(kernel=kernel, folder=folder)
        return None


def opened() -> Store:
    """Open the user's store."""
    import platformdirs

    return Store(platformdirs.user_cache_path("bufbench") / "kernels")
