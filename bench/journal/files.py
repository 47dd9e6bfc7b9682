# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Journals as files: which there are in a folder, and whether one is as it was."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from bench.errors import JournalError

ENDINGS: Final = (".jsonl", ".jsonl.gz")
_PACKAGE: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a file's inode says of it."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Look at a journal. JournalError unless it is a plain file that can be seen."""
        try:
            seen = path.stat()
        except OSError as error:
            raise JournalError(f"journal {path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(seen.st_mode):  # reading a pipe would wait
            raise JournalError(f"journal {path} cannot be read: it is not a file")
        return cls(size_bytes=seen.st_size, mtime_ns=seen.st_mtime_ns, ctime_ns=seen.st_ctime_ns)


def digest(path: Path) -> str:
    """Return the SHA-256 of a journal; JournalError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise JournalError(f"journal {path} cannot be read: {error.strerror}") from error


def below(place: Path, say: Callable[[str], None]) -> list[Path]:
    """Return the journals in a folder and below, sorted; ``say`` is given what cannot be read."""

    def refused(error: OSError) -> None:
        say(f"{error.filename} cannot be read: {error.strerror}")

    def found() -> Iterator[Path]:
        for folder, _, names in os.walk(place, onerror=refused):
            yield from (Path(folder, name) for name in names if name.endswith(ENDINGS))

    return sorted(found())


def name_in(folder: Path, path: Path) -> str:
    """Return the name of a file below ``folder`` as UTF-8 has it: names of files need not be."""
    return str(path.relative_to(folder)).encode("utf-8", "backslashreplace").decode()


@cache
def code() -> str:
    """Return a digest of all that reads and judges: what other code made is not comparable."""
    found = sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
