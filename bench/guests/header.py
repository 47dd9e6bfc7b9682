# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read what the header of a kernel's image says."""

from __future__ import annotations

from typing import Final

HEADER_BYTES: Final = 0x8000
"""Of an image, which release_of() looks at."""

_LONGEST_RELEASE: Final = 128


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
