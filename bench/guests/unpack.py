# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Unpack kernels: below INTO, lib/modules/RELEASE with vmlinuz, config and modules.

From packages, or from the layers of an OCI image, only image, config and modules are taken. Layers
are foreign: they are read as streams, and files are written under names chosen here. No link is
followed, and no path of theirs is used before its kernel is known.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from bench.amounts import counted
from bench.errors import FetchFailed
from bench.guests.machines import header, release_of
from bench.host import process
from bench.host.signals import uninterrupted

_UNPACK_S: Final = 600.0
_BATCH: Final = 200
_LARGEST_MODULE_BYTES: Final = 1 << 28
_FULL_BYTES: Final = 1 << 16

# An emulated machine never has these, half of a kernel: 4,225 modules of 7.3 become 2,102.
_NO_GUEST_HAS: Final = (
    *("sound", "drivers/accel", "drivers/bluetooth", "drivers/comedi", "drivers/gpu"),
    *("drivers/hwmon", "drivers/iio", "drivers/infiniband", "drivers/media", "drivers/mtd"),
    *("drivers/net/can", "drivers/net/ethernet", "drivers/net/usb", "drivers/net/wireless"),
    *("drivers/platform", "drivers/staging"),
)

_WANTED: Final = re.compile(
    r"(?:.*/)?(?:"
    r"boot/(?P<boot>vmlinuz|bzImage|config)(?:-(?P<suffix>[^/]+))?"
    r"|lib/modules/(?P<release>[^/]+)/(?P<file>vmlinuz|config|modules\.[^/]+"
    r"|.+\.ko(?:\.(?:xz|zst|gz))?))"
)
_RELEASE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_LONGEST_NAME: Final = 4096
_BUFFER: Final = 1 << 16
_SLACK_BYTES: Final = 4 << 20
_HEADER_BYTES: Final = 2048
# Bounds of the layers of one image, all together.
_UNPACKED_BYTES: Final = 8 << 30
_TAKEN_BYTES: Final = 2 << 30
_MEMBERS: Final = 200_000


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
        _settle_modules(release, into)


def _settle_modules(release: str, into: Path) -> None:
    """Decompress modules, as small initial RAM disks need them, and write depmod's files.

    Modules that no guest can use are removed.
    """
    modules = into / "lib/modules" / release
    for name in _NO_GUEST_HAS:
        shutil.rmtree(modules / "kernel" / name, ignore_errors=True)
    packed = [path for kind in ("xz", "zst", "gz") for path in modules.rglob(f"*.ko.{kind}")]
    # zstd reads all of them; the limit is for hostile ones.
    decompress = ["prlimit", f"--fsize={_LARGEST_MODULE_BYTES}", "zstd", "-q", "-d", "--rm"]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        batches = [packed[at : at + _BATCH] for at in range(0, len(packed), _BATCH)]
        with uninterrupted():  # which starts the threads
            done = pool.map(lambda batch: _run([*decompress, *batch], modules), batches)
        list(done)
    _run(["depmod", "-b", into, release], into)


def _run(argv: Sequence[str | Path], into: Path) -> None:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # depmod's
    try:
        process.run(argv, timeout_s=_UNPACK_S, env={"PATH": path, "LC_ALL": "C.UTF-8"})
    except process.ProgramFailed as failed:
        if failed.completed is None:
            raise FetchFailed(failed.message, remedy="install dpkg, kmod and zstd") from failed
        if shutil.disk_usage(into).free < _FULL_BYTES:  # programs report this in too many ways
            raise FetchFailed(
                f"{argv[0]}: {os.strerror(ENOSPC)}",
                remedy="bufbench kernels prune, or set XDG_CACHE_HOME",
            ) from failed
        raise FetchFailed(failed.message, remedy="fetch it again") from failed


class BadImage(FetchFailed):
    """Report that the image holds no usable kernel; the message follows the image's name."""


class _Stream:
    """Read a layer; refuse more than its limit, and headers longer than members need."""

    def __init__(self, file: IO[bytes], most_bytes: int) -> None:
        self._file = file
        self.left = most_bytes
        self._granted = _SLACK_BYTES

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data = self._file.read(size)
        self.left -= len(data)
        self._granted -= len(data)
        if min(self.left, self._granted) < 0:
            raise _too_large()
        return data

    def grant(self, member: tarfile.TarInfo) -> None:
        """Allow for a member's data and the next one's headers."""
        self._granted += member.size + _HEADER_BYTES


class _Taken:
    """Take files from layers, one after the other: paths in the image, files in ``place``."""

    def __init__(self, place: Path) -> None:
        self.files: dict[str, Path] = {}
        self._place = place
        self._unpacked_left = _UNPACKED_BYTES
        self._left = _TAKEN_BYTES
        self._members_left = _MEMBERS
        self._count = 0

    def apply(self, layer: Path) -> None:
        """Take the files that a layer adds, drop those that it removes."""
        new: set[str] = set()
        with _opened(layer, self._unpacked_left) as (archive, stream):
            for member in archive:
                stream.grant(member)
                self._members_left -= 1
                archive.members = []  # type: ignore[attr-defined]  # else it keeps all
                if self._members_left < 0 or member.issparse():
                    raise _too_large()
                name = _plain(member.name)
                folder, _, last = name.rpartition("/")
                if last == _OPAQUE:
                    self._forget(folder, new)
                elif last.startswith(_WHITEOUT):
                    self._forget(str(PurePosixPath(folder, last[len(_WHITEOUT) :])), new)
                elif _WANTED.fullmatch(name):
                    self.files.pop(name, None)
                    if member.isreg():
                        self.files[name] = self._copy(archive, member)
                        new.add(name)
            self._unpacked_left = stream.left

    def _forget(self, name: str, new: set[str]) -> None:
        """Drop a path of the layers below, and all under it."""
        for known in [*self.files]:
            if known not in new and (known == name or known.startswith(f"{name}/" if name else "")):
                del self.files[known]

    def _copy(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Path:
        self._left -= member.size
        if self._left < 0:
            raise _too_large()
        source = cast("IO[bytes]", archive.extractfile(member))
        self._count += 1
        path = self._place / str(self._count)
        with path.open("xb") as file:
            shutil.copyfileobj(source, file, _BUFFER)
        return path


def take_kernel(layers: Sequence[Path], into: Path) -> str:
    """Make ``into``/lib/modules/RELEASE of the image's kernel and return its release.

    FetchFailed if there is no kernel, more than one, or a layer that cannot be read.
    """
    place = into / "taken"
    place.mkdir()
    taken = _Taken(place)
    for layer in layers:
        taken.apply(layer)
    release = _settle(taken.files, into)
    shutil.rmtree(place)
    return release


def _settle(files: Mapping[str, Path], into: Path) -> str:
    """Choose one kernel among the files taken, and move it to its place."""
    found = [(match, path) for name, path in files.items() if (match := _WANTED.fullmatch(name))]
    images = {
        _release(path): path
        for match, path in found
        if match["boot"] in ("vmlinuz", "bzImage") or match["file"] == "vmlinuz"
    }
    if len(images) != 1:
        named = f": {', '.join(sorted(images)[:8])}" if images else ""
        what = (counted(len(images), "kernel") if images else "no kernel") + named
        raise BadImage(
            f"holds {what}",
            remedy="take an image that holds one, as /boot/vmlinuz or lib/modules/RELEASE/vmlinuz",
        )
    ((release, image),) = images.items()
    folder = into / "lib/modules" / release
    folder.mkdir(parents=True)
    image.rename(folder / "vmlinuz")
    modules = False
    for match, path in found:
        own = match["release"] == release
        if match["boot"] == "config" and match["suffix"] in (None, release):
            path.rename(folder / "config")
        elif own and match["file"] != "vmlinuz":
            modules = modules or ".ko" in match["file"]
            target = folder / match["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    if modules:
        _settle_modules(release, into)
    return release


def _release(image: Path) -> str:
    release = release_of(header(image))
    if not _RELEASE.fullmatch(release):
        raise BadImage("holds a vmlinuz that is no x86 kernel image", remedy="take another image")
    return release


def _plain(name: str) -> str:
    """Return a member's path without "./" before it; "" for one that leaves the image."""
    name = name.removeprefix("./")
    odd = len(name) > _LONGEST_NAME or name.startswith("/") or "\0" in name
    return "" if odd or ".." in name.split("/") else name


@contextmanager
def _opened(layer: Path, most_bytes: int) -> Iterator[tuple[tarfile.TarFile, _Stream]]:
    """Open a layer, compressed with gzip or zstd or not at all: zstd reads all three."""
    damaged = BadImage("has a damaged layer", remedy="fetch or copy the image again")
    try:
        with process.started(["zstd", "-qq", "-d", "-c", "-f", layer]) as child:
            stream = _Stream(cast("IO[bytes]", child.stdout), most_bytes)
            source = cast("IO[bytes]", stream)
            with tarfile.open(fileobj=source, mode="r|", bufsize=_BUFFER) as archive:
                yield archive, stream
    except process.ProgramFailed as failed:
        raise FetchFailed(failed.message, remedy="install zstd") from failed
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise damaged from error


def _too_large() -> BadImage:
    return BadImage(
        "has a layer that unpacks to more than a kernel's may", remedy="take another image"
    )
