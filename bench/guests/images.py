# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find kernels among the files of a folder, in the order of their releases."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import UsageError
from bench.guests.header import HEADER_BYTES, release_of
from bench.guests.sources import Candidate, Image, stretch
from bench.linux.version import KernelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    path: Path
    within: str  # its path in the folder
    release: str


def between(folder: Path, good: str, bad: str) -> list[Candidate]:
    """List a folder's images from one to another, both included; UsageError where that cannot be.

    They are ordered by release, those of one release by their names, numbers by their value. An end
    is named by its file, its path in the folder or its release.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", remedy="name one that holds kernel images")
    found = sorted(_images(folder), key=_order)
    if not found:
        raise UsageError(
            f"{folder} holds no kernel image of x86-64", remedy="put bzImage files into it"
        )
    names = _names(found)
    ends = [_place(end, found, names, folder) for end in (good, bad)]
    known = [
        Candidate(label=name, fetch=partial(_image, each, name))
        for each, name in zip(found, names, strict=True)
    ]
    return [
        Candidate(label=each.label, fetch=each.fetch, sha256=digest(each.fetch().vmlinuz))
        for each in stretch(known, *ends)
    ]


def digest(vmlinuz: Path) -> str:
    """Return an image's SHA-256; UsageError where it cannot be read."""
    try:
        with vmlinuz.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"kernel image {vmlinuz}: {error.strerror}") from error


def _images(folder: Path) -> Iterator[_Found]:
    for path in folder.rglob("*"):
        try:
            if not path.is_file():
                continue
            with path.open("rb") as file:
                release = release_of(file.read(HEADER_BYTES))
        except OSError:
            continue
        if release:
            yield _Found(path=path, within=str(path.relative_to(folder)), release=release)


def _order(found: _Found) -> tuple[object, ...]:
    parts = re.split(r"([0-9]+)", found.within)  # every second one is a number
    name = [int(part) if at % 2 else part for at, part in enumerate(parts)]
    try:
        return 1, KernelVersion.parse(found.release), name
    except UsageError:
        return 0, found.release, name


def _names(found: Sequence[_Found]) -> list[str]:
    """Name images by their files, else by their releases, else by their paths."""
    for names in ([each.path.name for each in found], [each.release for each in found]):
        if max(Counter(names).values()) == 1:
            return names
    return [each.within for each in found]


def _place(end: str, found: Sequence[_Found], names: Sequence[str], folder: Path) -> int:
    fits = [
        at
        for at, each in enumerate(found)
        if end in (names[at], each.within, each.release, each.path.name)
        or Path(end).absolute() == each.path.absolute()
    ]
    if len(fits) == 1:
        return fits[0]
    what = f"names {len(fits)} images in" if fits else "names no image in"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    raise UsageError(f"{end} {what} {folder}", remedy=f"they are {', '.join(names[:8])}{more}")


def _image(found: _Found, label: str) -> Image:
    beside = found.path.parent
    return Image(
        label=label,
        release=found.release,
        vmlinuz=found.path.absolute(),
        modules=beside if (beside / "modules.dep").exists() else None,
        origin="local file",
    )
