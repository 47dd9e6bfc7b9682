# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Be the first process of a sealed guest: run one command, send its files by a serial port.

What differs from guest to guest is a parameter of the kernel, which passes it to the environment
of its first process. Every guest imports this before anything else, so it imports little.
"""

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

from bench.guests import init

FOLDER: Final = "/results"
ORDER: Final = "/order.json"

_MOST_BYTES: Final = 1 << 28
"""Of all files together: what a guest sends is foreign."""
_GIVEN: Final = "given"
_HOSTNAME: Final = "guest"
_PORT: Final = "report"  # the kernel's parameter that names it


def given(*arguments: object) -> str:
    """Return the kernel's parameter that gives the command more arguments, without spaces."""
    return f"{_GIVEN}={','.join(map(str, arguments))}"


def main() -> None:
    """Do everything that the first process does, in order."""
    order = json.loads(Path(ORDER).read_text())
    init.mount_all()
    init.name(_HOSTNAME)
    os.chdir("/")
    init.run([*order["argv"], *os.environ[_GIVEN].split(",")], order["env"])
    left = {each.name: each.read_bytes() for each in sorted(Path(FOLDER).iterdir())}
    send(Path(os.environ[_PORT]), pack(left))
    # This stops QEMU's CPUs; else they run on until this machine schedules its main loop.
    init.end(init.RESTART)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a line that describes the rest, and the files one after another, compressed."""
    body = zlib.compress(b"".join(files.values()))
    sizes = {name: len(content) for name, content in files.items()}
    line = {"files": sizes, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(line).encode() + b"\n" + body


def unpack(sent: bytes) -> dict[str, bytes]:
    """Return the files by name; ValueError if they are incomplete, or not from :func:`pack`."""
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
