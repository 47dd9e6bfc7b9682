# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read lines of a file, plain or compressed by gzip, one by one: foreign data until decoded.

Whatever the file holds, no more than a line of it is in memory, and no more is unpacked than a
journal of its size could hold.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from math import inf
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from bench.errors import JournalError
from bench.journal.schema import LONGEST_LINE_BYTES

MARK: Final = b"\xef\xbb\xbf"  # of UTF-8, with which some editors begin a file
_GZIP: Final = b"\x1f\x8b"
_MOST_TIMES: Final = 20
_ALWAYS_BYTES: Final = 32 * 1024 * 1024
"""Journals shrink to a fifth or a third. What grows to more than 20 times its size, and beyond 32
MiB, was made to fill memory.
"""


class RawLine(NamedTuple):
    """Hold a line without its newline, or why it cannot be used."""

    text: bytes = b""
    whole: bool = True  # False: the file ends within it
    fault: str = ""


def raw_lines(path: Path) -> Iterator[RawLine]:
    """Yield every line of ``path``, and a fault in place of each that is unusable.

    Where a compressed file is damaged or torn, nothing follows: the rest is unknown.
    JournalError where the file cannot be opened or read.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):  # /dev/zero has no end
                raise JournalError(f"journal {path} cannot be read: it is a device")
            if not file.peek(2).startswith(_GZIP):
                yield from _lines(file, inf)
                return
            size_bytes = os.fstat(file.fileno()).st_size
            with GzipFile(fileobj=file) as unpacked:
                yield from _unpacked(
                    cast(BinaryIO, unpacked), max(_ALWAYS_BYTES, _MOST_TIMES * size_bytes)
                )
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise JournalError(f"journal {path} cannot be read: {reason}") from error


def _unpacked(file: BinaryIO, most_bytes: int) -> Iterator[RawLine]:
    try:
        yield from _lines(file, most_bytes)
    except EOFError:
        yield RawLine(fault="torn: the compressed file ends here")
    except (zlib.error, BadGzipFile) as error:
        yield RawLine(fault=f"the compressed file is damaged here ({error})")


def _lines(file: BinaryIO, most_bytes: float) -> Iterator[RawLine]:
    read_bytes = 0
    while text := file.readline(LONGEST_LINE_BYTES + 1):
        first = not read_bytes
        read_bytes += len(text)
        text = text.removeprefix(MARK) if first else text
        if len(text) > LONGEST_LINE_BYTES:
            yield RawLine(fault="too long for a journal")
            while text and not text.endswith(b"\n") and read_bytes <= most_bytes:
                text = file.readline(LONGEST_LINE_BYTES)
                read_bytes += len(text)
        else:
            yield RawLine(text=text.rstrip(b"\r\n"), whole=text.endswith(b"\n"))
        if read_bytes > most_bytes:
            yield RawLine(fault="given up: so small a file holds no journal that long")
            return
