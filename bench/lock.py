# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""One measurement at a time: two would disturb each other, and neither journal would say so.

The lock is flock(2)'s on a file: the kernel drops it however its holder ends. What stands in the
file is only there to name the holder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.errors import Busy, MachineUnfit

_SYSTEM: Final = Path("/run/bufbench.lock")
_LONGEST: Final = 200  # characters of a command line that are shown


@contextmanager
def held(
    command_line: Sequence[str], *, wait: bool = False, path: Path | None = None
) -> Iterator[None]:
    """The machine is ours for as long as the context lasts.

    Another user's lock is another file: root and a user with CAP_BPF do not see each other's.
    Raises Busy, naming the holder, where somebody has it and we are not to ``wait``; MachineUnfit
    where there is no place for the file, or what is there is not ours.
    """
    place = path or _place()
    descriptor = _opened(place)
    try:
        _take(descriptor, wait=wait)
        _name(descriptor, command_line)
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _place() -> Path:
    if os.geteuid() == 0 and os.access(_SYSTEM.parent, os.W_OK):
        return _SYSTEM
    return Path(tempfile.gettempdir()) / f"bufbench-{os.geteuid()}.lock"


def _opened(place: Path) -> int:
    """A descriptor of the file, which is made if it is missing; never what a link leads to."""
    try:
        descriptor = os.open(
            place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600
        )
    except OSError as error:
        raise MachineUnfit(
            f"the lock {place} cannot be opened: {error.strerror}", remedy="remove what is there"
        ) from error
    seen = os.fstat(descriptor)
    if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_nlink != 1:
        os.close(descriptor)
        raise MachineUnfit(f"the lock {place} is not ours", remedy="remove what is there")
    return descriptor


def _take(descriptor: int, *, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        busy = f"another measurement is running: {_holder(descriptor)}"
        if not wait:
            raise Busy(busy, remedy="add --wait, or end it") from None
        print(f"bufbench: waiting, {busy}", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _name(descriptor: int, command_line: Sequence[str]) -> None:
    told = {
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(command_line),
    }
    with suppress(OSError):  # a full disk does not keep us from having the lock
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(told).encode(), 0)


def _holder(descriptor: int) -> str:
    """Who holds it, in words; it may have taken it this moment, or its disk may be full."""
    try:
        told = json.loads(os.pread(descriptor, 1 << 16, 0))
        pid, since, command = int(told["pid"]), str(told["since"]), str(told["command"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return "it does not say which"
    return f"process {pid} since {_shown(since)}, {_shown(command)}"


def _shown(text: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in text[: _LONGEST + 1])
    return f"{shown[:_LONGEST]}..." if len(shown) > _LONGEST else shown
