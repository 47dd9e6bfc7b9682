# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Name architectures as Debian does: this machine's, and a kernel's by its name and its header."""

from __future__ import annotations

import os
import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

AMD64: Final = "amd64"
ARM64: Final = "arm64"

_NAMES: Final = {"x86_64": AMD64, "aarch64": ARM64, AMD64: AMD64, ARM64: ARM64}
_HEADER_BYTES: Final = 0x8000
_LONGEST_RELEASE: Final = 128
_ARM64_BYTES: Final = 64
_GZIP: Final = 16 + zlib.MAX_WBITS


def own() -> str:
    """Return this machine's architecture."""
    machine = os.uname().machine
    return _NAMES.get(machine, machine)


def named(text: str) -> str:
    """Return the architecture that a label or a file's name speaks of; "" if of none."""
    words = re.split(r"[^a-z0-9_]+", text.rpartition("/")[2].lower())
    return next((_NAMES[word] for word in reversed(words) if word in _NAMES), "")


def meant(label: str, image: Path | None) -> str:
    """Return a kernel's architecture by its image, where that is at hand, else by its name."""
    with suppress(OSError):
        if image is not None and (found := architecture_of(header(image))):
            return found
    return named(label)


def header(image: Path) -> bytes:
    """Return the beginning of an image, which the functions below look at. Raises OSError."""
    with image.open("rb") as file:
        return file.read(_HEADER_BYTES)


def architecture_of(header: bytes) -> str:
    """Return the architecture of an image that QEMU can boot; "" if it is no such image.

    Documentation/arch/x86/boot.rst: "HdrS" at 0x202. Documentation/arch/arm64/booting.rst: "ARMd"
    at 0x38; QEMU decompresses an image that is compressed with gzip.
    """
    if header[0x202:0x206] == b"HdrS":
        return AMD64
    if header[:2] == b"\x1f\x8b":
        try:
            header = zlib.decompressobj(_GZIP).decompress(header, _ARM64_BYTES)
        except zlib.error:
            return ""
    return ARM64 if header[0x38:0x3C] == b"ARMd" else ""


def is_zboot(header: bytes) -> bool:
    """Return whether an image decompresses itself as an EFI program, which takes firmware.

    include/linux/pe.h: "zimg" at 4, behind "MZ".
    """
    return header[:2] == b"MZ" and header[4:8] == b"zimg"


def release_of(header: bytes) -> str:
    """Return the release that an x86 image's first 32 KiB name; "" if it is no such image.

    At 0x20e, less 0x200, where the text stands. An arm64 image has it nowhere in particular.
    """
    if architecture_of(header) != AMD64:
        return ""
    at = int.from_bytes(header[0x20E:0x210], "little") + 0x200
    text = header[at : at + _LONGEST_RELEASE].partition(b"\0")[0]
    release = text.partition(b" ")[0].decode("ascii", errors="replace")
    return release if at > 0x200 and release.isprintable() else ""
