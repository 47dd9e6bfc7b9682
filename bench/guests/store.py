# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep fetched kernels below XDG_CACHE_HOME, each complete or absent.

They are unpacked, not installed, and no script of a package is run. Each source that fetches
kernels has its own store; that of archives is the user's folder itself.

images/KEY/kernel.json             what it is
images/KEY/lib/modules/RELEASE/    vmlinuz, config, modules
images/.partial-KEY.RANDOM/        being fetched, or left behind by a process that was killed
locks/KEY.lock                     held by the process that fetches it; dropped with it
apt-DIGEST/                        private APT roots, one for each list of archives
oci/                               the store of kernels from OCI images
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.amounts import size
from bench.errors import FetchFailed, MachineUnfit

_RECORD: Final = "kernel.json"
_PARTIAL: Final = ".partial-"


class Record(Protocol):
    """Describe a kernel: a dataclass that pydantic reads and writes."""

    @property
    def key(self) -> str:
        """Return its unique name in its store, usable as a file name."""

    @property
    def release(self) -> str:
        """Return what uname -r says in it."""


K = TypeVar("K", bound=Record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(Generic[K]):
    """Point to a kernel in the store."""

    kernel: K
    folder: Path

    @property
    def vmlinuz(self) -> Path:
        """Return the image."""
        return self.folder / "lib/modules" / self.kernel.release / "vmlinuz"

    @property
    def modules(self) -> Path | None:
        """Return the folder .../lib/modules/RELEASE; None if it has no modules."""
        return self.vmlinuz.parent if (self.vmlinuz.parent / "modules.dep").exists() else None


class Store(Generic[K]):
    """Manage the store in ``folder``, which is made if it is missing; FetchFailed if that fails."""

    def __init__(self, folder: Path, kind: type[K]) -> None:
        self.folder = folder
        self._kind: TypeAdapter[K] = TypeAdapter(kind)
        self._images = folder / "images"
        self._locks = folder / "locks"
        try:
            for path in (self._images, self._locks):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FetchFailed(
                f"{folder} cannot be made: {error.strerror}", remedy="set XDG_CACHE_HOME"
            ) from error

    def fetched(self) -> tuple[Fetched[K], ...]:
        """Return all kernels in the store, in no particular order."""
        found = (self._read(path.parent) for path in self._images.glob(f"[!.]*/{_RECORD}"))
        return tuple(one for one in found if one is not None)

    def get(self, key: str) -> Fetched[K] | None:
        """Return this kernel, if it is in the store."""
        return self._read(self._images / key)

    def fetch(
        self,
        key: str,
        what: str,
        needed_bytes: int,
        fill: Callable[[Path], K],
        say: Callable[[str], None],
    ) -> Fetched[K]:
        """Return a kernel; if it is missing, ``fill`` first makes it in an empty folder.

        ``what`` names it in messages. Another process that is fetching it is waited for.
        FetchFailed if disk or network prevent it: then nothing of it is left.
        """
        if found := self.get(key):
            return found
        with self.locked(key, lambda: say(f"{what} is being fetched; waiting")):
            if found := self.get(key):
                return found
            with self.room(needed_bytes, what), self._partial(key) as folder:
                kernel = fill(folder)
                (folder / _RECORD).write_bytes(self._kind.dump_json(kernel, indent=1))
                place = self._images / key
                if place.exists():  # damaged: else there was nothing to fetch
                    self._discard(place)
                folder.rename(place)
        if found := self.get(key):
            return found
        raise FetchFailed(f"{what} vanished from {self.folder}", remedy="fetch it again")

    @contextmanager
    def locked(self, name: str, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
        """Hold a lock, named by a kernel's key or otherwise.

        While another process holds it, call ``waiting`` and wait; without ``waiting``, yield False.
        """
        from filelock import FileLock, Timeout

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
        """Raise FetchFailed if fewer bytes are free, or when the disk fills up meanwhile."""
        free_bytes = shutil.disk_usage(self.folder).free
        if free_bytes < needed_bytes:
            raise FetchFailed(
                f"{what} needs {size(needed_bytes)} in {self.folder}, where "
                f"{size(free_bytes)} are free",
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
        """Remove what killed fetches left behind, and kernels without a valid record.

        Nothing of a kernel whose lock is held is touched.
        """
        for folder in self._images.iterdir():
            key = folder.name
            if key.startswith(_PARTIAL):
                key, _, _ = key.removeprefix(_PARTIAL).rpartition(".")
            elif self._read(folder) is not None:
                continue
            with self.locked(key) as free:
                # Another process may have fetched it again before the lock was taken.
                if free and self._read(folder) is None:
                    shutil.rmtree(folder, ignore_errors=True)

    def prune(self, keep: Callable[[Iterable[K]], Collection[K]]) -> Iterator[str]:
        """Remove all kernels but those that ``keep`` chooses; yield a line for each, as it goes.

        A kernel that is being fetched is not touched. A removed one vanishes at once for other
        processes, however long its removal takes.
        """
        self.sweep()
        fetched = self.fetched()
        kept = keep(one.kernel for one in fetched)
        for one in fetched:
            if one.kernel in kept:
                continue
            with self.locked(one.kernel.key) as free:
                if free and one.folder.exists():
                    size_bytes = sum(path.lstat().st_size for path in one.folder.rglob("*"))
                    self._discard(one.folder)
                    yield f"removed {one.kernel.release}, {size(size_bytes)}"
                elif not free:
                    yield f"kept {one.kernel.release}, which is being fetched"

    @contextmanager
    def _partial(self, key: str) -> Iterator[Path]:
        """Make an empty folder, and remove it unless it was renamed.

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

    def _read(self, folder: Path) -> Fetched[K] | None:
        with suppress(OSError, ValidationError):
            kernel = self._kind.validate_json((folder / _RECORD).read_bytes())
            if kernel.key == folder.name:
                return Fetched(kernel=kernel, folder=folder)
        return None


def folder() -> Path:
    """Return the folder of the user's kernels; MachineUnfit if libraries to fetch are missing."""
    packages = {"debian": "python-debian", "filelock": "filelock", "platformdirs": "platformdirs"}
    if missing := [package for name, package in packages.items() if find_spec(name) is None]:
        raise MachineUnfit(
            f"fetching kernels needs {', '.join(missing)}, which this installation lacks",
            remedy="./run kernels -- list installs it",
        )
    import platformdirs

    return platformdirs.user_cache_path("bufbench") / "kernels"
