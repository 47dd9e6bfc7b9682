# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find journals in a folder, whether one has changed, and what is kept beside them."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path
from secrets import token_hex
from typing import Final

from bench import paths
from bench.amounts import duration
from bench.errors import JournalError, Say
from bench.host import ownership

ENDINGS: Final = (".jsonl", ".jsonl.gz")
_PACKAGE: Final = Path(__file__).resolve().parents[1]
_MOST_FOLDERS: Final = 50_000
_REPORT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Hold size and times of a file, from its inode."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Return a journal's stamp. JournalError unless it is a regular file."""
        try:
            seen = path.stat()
        except OSError as error:
            raise JournalError(f"journal {path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(seen.st_mode):  # reading a pipe would wait
            raise JournalError(f"journal {path} cannot be read: it is not a file")
        return cls(size_bytes=seen.st_size, mtime_ns=seen.st_mtime_ns, ctime_ns=seen.st_ctime_ns)

    def same(self, then: Stamp, path: Path, sha256: str) -> bool:
        """Return whether a journal, which has this stamp now, holds what it held ``then``."""
        return self == then or (self.size_bytes == then.size_bytes and digest(path) == sha256)


def digest(path: Path) -> str:
    """Return the SHA-256 of a journal; JournalError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise JournalError(f"journal {path} cannot be read: {error.strerror}") from error


def below(place: Path, say: Say) -> list[Path]:
    """Return the journals in a folder and below, sorted; ``say`` is called with what is unreadable.

    JournalError if there are more folders than can be intended.
    """

    def refused(error: OSError) -> None:
        say(f"{error.filename} cannot be read: {error.strerror}")

    found = []
    for at, (folder, _, names) in enumerate(os.walk(place, onerror=refused)):
        if at == _MOST_FOLDERS:
            raise JournalError(
                f"{place} has more than {_MOST_FOLDERS:,} folders",
                remedy="name one that is nearer to the journals",
            )
        found += [Path(folder, name) for name in names if name.endswith(ENDINGS)]
    return sorted(found)


def one_by_one(journals: Sequence[Path], say: Say) -> Iterator[Path]:
    """Yield journals to be read; ``say`` is called with the progress every ten seconds."""
    began_s = reported_s = time.monotonic()
    for at, path in enumerate(journals):
        now_s = time.monotonic()
        if at and now_s - reported_s > _REPORT_S:
            reported_s = now_s
            left_s = (now_s - began_s) / at * (len(journals) - at)
            say(f"journals read: {at:,} of {len(journals):,}; about {duration(left_s)} left")
        yield path


def name_in(folder: Path, path: Path) -> str:
    """Return the name of a file below ``folder`` as UTF-8 has it."""
    return paths.utf8(path.relative_to(folder))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all, in place of whatever is there. Raises OSError."""
    beside = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        ownership.write(beside, content)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@cache
def code() -> str:
    """Return a digest of the code that reads and judges: results of other code differ."""
    found = sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
