# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Send files through a serial port, and read what arrived: whole, or refused."""

from __future__ import annotations

import hashlib
import json
import os
import termios
import tty
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 1 << 28
"""Of all files together: what a guest sends is foreign."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a line that says what follows, and the files behind one another, compressed."""
    body = zlib.compress(b"".join(files.values()))
    sizes = {name: len(content) for name, content in files.items()}
    line = {"files": sizes, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(line).encode() + b"\n" + body


def unpack(sent: bytes) -> dict[str, bytes]:
    """Return the files by name; ValueError for what is not whole, or not of :func:`pack`."""
    line, _, body = sent.partition(b"\n")
    try:
        said = json.loads(line)
        sizes = {str(name): int(size) for name, size in said["files"].items()}
        expected = int(said["bytes"])
        digest = said["sha256"]
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("what arrived does not say what it is") from None
    if len(body) != expected:
        raise ValueError(f"{len(body):,} bytes of {expected:,} arrived")
    if hashlib.sha256(body).hexdigest() != digest:
        raise ValueError("what arrived is not what was sent")
    try:
        whole = zlib.decompressobj().decompress(body, _MOST_BYTES)
    except zlib.error:
        raise ValueError("what arrived was not packed by bufbench") from None
    if min(sizes.values(), default=0) < 0 or sum(sizes.values()) != len(whole):
        raise ValueError("what arrived is longer or shorter than its files")
    found, at = {}, 0
    for name, size in sizes.items():
        found[name] = whole[at : at + size]
        at += size
    return found


def send(port: Path, content: bytes) -> None:
    """Write to a serial port as it is: a terminal would put a return before each newline."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(descriptor)
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        termios.tcdrain(descriptor)
    finally:
        os.close(descriptor)
