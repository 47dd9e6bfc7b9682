# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Kernels that need no fetching: files that somebody built, and the one that runs here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.errors import UsageError
from bench.guests.image import Image

if TYPE_CHECKING:
    from bench.guests.request import Host, Local

_HEADER_BYTES: Final = 0x8000
_LONGEST_RELEASE: Final = 128


def local(request: Local) -> Image:
    """Return an image by its path. UsageError if the files are not what they should be."""
    vmlinuz = _expanded(request.vmlinuz)
    try:
        with vmlinuz.open("rb") as file:
            release = release_of(file.read(_HEADER_BYTES))
    except OSError as error:
        raise UsageError(
            f"kernel image {request.vmlinuz}: {error.strerror}",
            remedy="name an archive's kernel (6.12) or a file that exists",
        ) from error
    modules = _modules(request.modules, release) if request.modules is not None else None
    return Image(
        label=request.label,
        release=release or (modules.name if modules else ""),
        vmlinuz=vmlinuz,
        modules=modules,
        origin="local file",
    )


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{path}: there is no such home") from error


def host(request: Host, root: Path = Path("/")) -> Image:
    """Return the kernel that runs here, by ``root``'s files.

    It is measured where it runs, not booted: many a cloud's kernel lies nowhere in the machine, and
    then ``vmlinuz`` does not exist.
    """
    release = os.uname().release
    modules = root / "lib/modules" / release
    places = (modules / "vmlinuz", root / "boot" / f"vmlinuz-{release}")
    return Image(
        label=request.label,
        release=release,
        vmlinuz=next((place for place in places if place.exists()), places[-1]),
        modules=modules if (modules / "modules.dep").exists() else None,
        origin="host",
    )


def release_of(header: bytes) -> str:
    """Return the release that an x86 image's first 32 KiB name; "" if it is no such image.

    Documentation/arch/x86/boot.rst: "HdrS" at 0x202; at 0x20e, less 0x200, where the text stands.
    """
    if header[0x202:0x206] != b"HdrS":
        return ""
    at = int.from_bytes(header[0x20E:0x210], "little") + 0x200
    text = header[at : at + _LONGEST_RELEASE].partition(b"\0")[0]
    release = text.partition(b" ")[0].decode("ascii", errors="replace")
    return release if at > 0x200 and release.isprintable() else ""


def _modules(folder: Path, release: str) -> Path:
    """Return a folder with depmod's files; of several in or below it, the release's own."""
    folder = _expanded(folder)
    within = (*sorted(folder.glob("*")), *sorted(folder.glob("lib/modules/*")))
    found = [place for place in (folder, *within) if os.path.isfile(place / "modules.dep")]  # noqa: PTH113  where we may not look there is none
    chosen = [place for place in found if place.name == release] or found
    if len(chosen) == 1:
        return chosen[0]
    what = f"has modules of {len(found)} kernels" if found else "has no modules.dep"
    raise UsageError(
        f"{folder} {what}",
        remedy="name the folder lib/modules/RELEASE that `make modules_install` and depmod made",
    )
