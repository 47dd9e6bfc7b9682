# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Return images of custom-built kernels: VMLINUZ, VMLINUZ:MODULES-FOLDER, or those of a folder."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from bench.errors import UsageError
from bench.guests.machines import header, release_of
from bench.guests.sources import Candidate, Image, Options, Source, stretch
from bench.linux.version import KernelVersion

_ORIGIN: Final = "local file"


def takes(text: str) -> bool:
    """Return whether a text can name a file, optionally with a colon and a folder."""
    image, _, folder = text.partition(":")
    return bool(image) and image[0] != "-" and ":" not in folder and text.isprintable()


def image(label: str) -> Image:
    """Return an image by its path. UsageError if the files are not what they should be."""
    path, _, folder = label.partition(":")
    vmlinuz = _expanded(path)
    try:
        release = release_of(header(vmlinuz))
    except OSError as error:
        raise UsageError(
            f"kernel image {path}: {error.strerror}",
            remedy="name an archive's kernel (6.12) or a file that exists",
        ) from error
    modules = _modules(_expanded(folder), release) if folder else None
    return Image(
        label=label,
        release=release or (modules.name if modules else ""),
        vmlinuz=vmlinuz,
        modules=modules,
        origin=_ORIGIN,
    )


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{path}: there is no such home") from error


def _modules(folder: Path, release: str) -> Path:
    """Return a folder with depmod's files; of several in or below it, the release's own."""
    within = (*sorted(folder.glob("*")), *sorted(folder.glob("lib/modules/*")))
    found = [place for place in (folder, *within) if os.path.isfile(place / "modules.dep")]  # noqa: PTH113  False where this user may not look
    chosen = [place for place in found if place.name == release] or found
    if len(chosen) == 1:
        return chosen[0]
    what = f"has modules of {len(found)} kernels" if found else "has no modules.dep"
    raise UsageError(
        f"{folder} {what}",
        remedy="name the folder lib/modules/RELEASE that `make modules_install` and depmod made",
    )


def _find(labels: Sequence[str], _: Options) -> list[Callable[[], Image]]:
    for label in labels:
        image(label)
    return [partial(image, label) for label in labels]


def between(folder: Path, good: str, bad: str) -> list[Candidate]:
    """List a folder's images from one to another, both included; UsageError if that is impossible.

    They are sorted by release, then by name, with numbers by value. Either end is named by its
    file, its path in the folder or its release.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", remedy="name one that holds kernel images")
    found = sorted(_images(folder), key=_order)
    if not found:
        raise UsageError(
            f"{folder} holds no kernel image of x86-64", remedy="put bzImage files into it"
        )
    names = _names(found)
    known = [
        Candidate(label=name, fetch=partial(replace, each, label=name))
        for each, name in zip(found, names, strict=True)
    ]
    ends = (_place(end, found, names, folder) for end in (good, bad))
    return [replace(each, sha256=digest(each.fetch().vmlinuz)) for each in stretch(known, *ends)]


def digest(vmlinuz: Path) -> str:
    """Return an image's SHA-256; UsageError if it cannot be read."""
    try:
        with vmlinuz.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"kernel image {vmlinuz}: {error.strerror}") from error


def _images(folder: Path) -> Iterator[Image]:
    """Yield the images in a folder and below, labelled by their paths in it."""
    for path in folder.rglob("*"):
        try:
            release = release_of(header(path)) if path.is_file() else ""
        except OSError:
            continue
        if release:
            yield Image(
                label=str(path.relative_to(folder)),
                release=release,
                vmlinuz=path.absolute(),
                modules=path.parent if path.with_name("modules.dep").exists() else None,
                origin=_ORIGIN,
            )


def _order(image: Image) -> tuple[object, ...]:
    parts = re.split(r"([0-9]+)", image.label)  # every second one is a number
    name = [int(part) if at % 2 else part for at, part in enumerate(parts)]
    try:
        return 1, KernelVersion.parse(image.release), name
    except UsageError:
        return 0, image.release, name


def _names(found: Sequence[Image]) -> list[str]:
    """Name images by their files, else by their releases, else by their paths."""
    for names in ([each.vmlinuz.name for each in found], [each.release for each in found]):
        if max(Counter(names).values()) == 1:
            return names
    return [each.label for each in found]


def _place(end: str, found: Sequence[Image], names: Sequence[str], folder: Path) -> int:
    fits = [
        at
        for at, each in enumerate(found)
        if end in (names[at], each.label, each.release, each.vmlinuz.name)
        or Path(end).absolute() == each.vmlinuz
    ]
    if len(fits) == 1:
        return fits[0]
    what = f"names {len(fits)} images in" if fits else "names no image in"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    raise UsageError(f"{end} {what} {folder}", remedy=f"they are {', '.join(names[:8])}{more}")


SOURCE: Final = Source(forms="./bzImage, VMLINUZ:MODULES", takes=takes, find=_find, last=True)
