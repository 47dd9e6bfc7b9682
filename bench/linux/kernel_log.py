# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read the kernel's complaints: WARN, BUG, Oops and stall lines of /dev/kmsg."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self

OVERFLOWED: Final = "the kernel's log overflowed: some of its lines were not seen"

_KMSG: Final = Path("/dev/kmsg")
_RECORD_BYTES: Final = 8192  # the kernel's own bound on one record
_RECORD: Final = re.compile(r"(\d{1,10}),\d+,\d+,[^;]*;(.*)")
_COMPLAINT: Final = re.compile(
    r"""
      ^WARNING:\ | ^BUG:\ | ^watchdog:\ BUG: | ^Oops\b | ^Kernel\ panic | ^UBSAN:
    | ^(rcu:\ )?INFO:\ | ^general\ protection | ^Unable\ to\ handle\ kernel
    | \bstall(s|ed)?\ on\b | \bself-detected\ stall\b | \b(soft|hard)\ lockup\b
    | ^clocksource:.*\bunstable\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


def complaints_in(records: Iterable[str]) -> tuple[str, ...]:
    """Return the messages of the kernel's complaints among records of /dev/kmsg.

    Only facility 0 is the kernel's; user space wrote the rest into the log.
    """
    found = []
    for record in records:
        parts = _RECORD.match(record)
        if record == OVERFLOWED or (
            parts and int(parts[1]) >> 3 == 0 and _COMPLAINT.search(parts[2])
        ):
            found.append(parts[2] if parts else record)
    return tuple(found)


def complaints_since_boot() -> tuple[str, ...]:
    """Return all complaints that the kernel's log still contains."""
    with KernelLog(whole=True) as log:
        return log.complaints()


class KernelLog:
    """Read the kernel's log since this context was entered, or all of it (``whole``).

    ``readable`` is False where the log is forbidden or missing; it then appears empty.
    """

    def __init__(self, path: Path = _KMSG, *, whole: bool = False) -> None:
        self._path, self._whole = path, whole
        self._fd: int | None = None

    def __enter__(self) -> Self:
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, os.SEEK_SET if self._whole else os.SEEK_END)
        except OSError:
            self.__exit__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def readable(self) -> bool:
        """Return whether the log can be read at all."""
        return self._fd is not None

    def forget(self) -> None:
        """Skip the records so far."""
        if self._fd is not None:
            os.lseek(self._fd, 0, os.SEEK_END)

    def new_records(self) -> Iterator[str]:
        """Yield all records since the last call, as /dev/kmsg gives them. Never blocks."""
        while self._fd is not None:
            try:
                yield os.read(self._fd, _RECORD_BYTES).decode(errors="replace")
            except BlockingIOError:
                break
            except BrokenPipeError:  # overwritten meanwhile; the next read goes on
                yield OVERFLOWED

    def complaints(self) -> tuple[str, ...]:
        """Return the kernel's complaints since the last call."""
        return complaints_in(self.new_records())
