# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Return images of custom-built kernels: VMLINUZ, or VMLINUZ:MODULES-FOLDER."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench.errors import UsageError
from bench.guests.header import HEADER_BYTES, release_of
from bench.guests.sources import Image, Options, Source


def takes(text: str) -> bool:
    """Return whether a text can name files, with one folder behind a colon at most."""
    image, _, folder = text.partition(":")
    return bool(image) and image[0] != "-" and ":" not in folder and text.isprintable()


def image(label: str) -> Image:
    """Return an image by its path. UsageError if the files are not what they should be."""
    path, _, folder = label.partition(":")
    vmlinuz = _expanded(path)
    try:
        with vmlinuz.open("rb") as file:
            release = release_of(file.read(HEADER_BYTES))
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
        origin="local file",
    )


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{path}: there is no such home") from error


def _modules(folder: Path, release: str) -> Path:
    """Return a folder with depmod's files; of several in or below it, the release's own."""
    within = (*sorted(folder.glob("*")), *sorted(folder.glob("lib/modules/*")))
    found = [place for place in (folder, *within) if os.path.isfile(place / "modules.dep")]  # noqa: PTH113  False where we may not look
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


SOURCE: Final = Source(forms="./bzImage, VMLINUZ:MODULES", takes=takes, find=_find, last=True)
