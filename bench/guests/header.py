# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read what the header of a kernel's image says."""

from __future__ import annotations

import zlib
from typing import Final

from bench.guests.architecture import AMD64, ARM64

HEADER_BYTES: Final = 0x8000
"""Of an image, which all functions here look at."""

_LONGEST_RELEASE: Final = 128
_ARM64_BYTES: Final = 64
_GZIP: Final = 16 + zlib.MAX_WBITS


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
