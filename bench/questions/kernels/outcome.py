# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What became of one kernel, told from how its guest ended and from the files that it left.

A result is a file, never something on the console. The console only lends its words to a reason.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bench.guests.watch import End, Ended
from bench.host import ownership

RESULT: Final = "result.json"
OUTCOME: Final = "outcome.json"
JOURNAL: Final = "journal.jsonl"

_LONGEST_BYTES: Final = 1 << 20
_PANIC: Final = re.compile(r"Kernel panic - not syncing: .*")
_STAMP: Final = re.compile(r"^\[ *\d+\.\d+\] ?")


class Status(StrEnum):
    """Whether a kernel has results, and why not."""

    DONE = "done"
    FAILED = "failed"  # the profile, with a reason of its own
    PANICKED = "panicked"  # the kernel, or it reset the machine
    HUNG = "hung"  # not over within its time
    KILLED = "killed"  # the guest, by somebody or by want of memory
    TORN = "torn"  # what was left is not whole
    UNAVAILABLE = "unavailable"  # no such kernel here, or one that lacks what is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the guest itself says, once its journal is closed."""

    status: Status
    reason: str
    release: str
    trials: int
    journal_bytes: int
    journal_sha256: str
    complaints: tuple[str, ...] = ()  # of the kernel, from boot to the end
    left_out: tuple[str, ...] = ()  # what there was no time for, in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One kernel's row: outcome.json."""

    label: str
    status: Status
    reason: str  # "" where it is done
    release: str  # "" where it never told
    origin: str
    trials: int = 0
    seconds: float = 0.0  # of the guest, boot included
    cpu_s: float = 0.0  # that it took of this machine: far below seconds x CPUs on a busy one
    complaints: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    lost_boot: str = ""  # why a guest was booted once more; "" where the first one served


def told_of(journal: Path, status: Status, reason: str, trials: int) -> Told:
    """Describe a guest's journal; one that is missing has no bytes."""
    held = journal.read_bytes() if journal.exists() else b""
    return Told(
        status=status,
        reason=reason,
        release=os.uname().release,
        trials=trials,
        journal_bytes=len(held),
        journal_sha256=hashlib.sha256(held).hexdigest(),
    )


def parse(text: bytes) -> Told | None:
    """Parse a guest's result; None if it is not whole."""
    try:
        fields = json.loads(text)
        return Told(
            status=Status(fields["status"]),
            reason=str(fields["reason"]),
            release=str(fields["release"]),
            trials=int(fields["trials"]),
            journal_bytes=int(fields["journal_bytes"]),
            journal_sha256=str(fields["journal_sha256"]),
            complaints=tuple(str(line) for line in fields["complaints"]),
            left_out=tuple(str(name) for name in fields["left_out"]),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def judge(folder: Path, ended: Ended, limit_s: float) -> tuple[Status, str, Told | None]:
    """Return status, reason and the guest's own result, where it is whole."""
    result = folder / RESULT
    word = held(result)
    if word:
        told = parse(word)
        if told is None:
            return Status.TORN, f"{RESULT} ends within a line", None
        journal = held(folder / JOURNAL)
        if hashlib.sha256(journal).hexdigest() != told.journal_sha256:
            words = f"the guest wrote {told.journal_bytes:,} bytes of journal, not these"
            return Status.TORN, f"{words} {len(journal):,}", None
        return told.status, told.reason, told
    return *_lost(folder, ended, limit_s), None


def _lost(folder: Path, ended: Ended, limit_s: float) -> tuple[Status, str]:
    """Say why there is no result."""
    console = held(folder / "console.log").decode(errors="replace")
    if ended.end is End.TIMED_OUT:
        return Status.HUNG, f"no result within {limit_s:g} s; last said: {_last_line(console)}"
    if ended.end is End.RESET:
        panics = _PANIC.findall(console)
        return Status.PANICKED, panics[0].strip() if panics else "the guest reset its machine"
    if ended.end is End.GONE:
        return Status.KILLED, "the guest was killed, or the machine had no memory left for it"
    if ended.end is End.STOPPED:
        return Status.KILLED, "the run was stopped"
    if ended.end is End.NEVER_STARTED:
        return Status.FAILED, f"QEMU did not start: {_last_line(console)}"
    if ended.code < 0:
        return Status.KILLED, f"killed by signal {-ended.code}"
    return Status.FAILED, f"it ended without a result; last said: {_last_line(console)}"


def write(folder: Path, outcome: Outcome) -> None:
    """Write it whole or not at all."""
    text = json.dumps({"schema": 1, **asdict(outcome)}, indent=1) + "\n"
    replace(folder / OUTCOME, text.encode())


def status_of(folder: Path) -> Status | None:
    """Return a folder's outcome; None where none can be read."""
    try:
        return Status(json.loads(held(folder / OUTCOME))["status"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def replace(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of ``path``: whoever reads it sees all or nothing of it."""
    beside = path.with_name(f".{path.name}")
    beside.unlink(missing_ok=True)  # a guest may have left anything there
    with beside.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    ownership.hand_over(beside)
    beside.replace(path)


def held(path: Path) -> bytes:
    """Return what a file in a guest's folder holds; nothing unless it is a plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return file.read(64 * _LONGEST_BYTES) if plain else b""
    except OSError:
        return b""


def _last_line(console: str) -> str:
    lines = [_STAMP.sub("", line).strip() for line in console.splitlines()]
    said = [line for line in lines if line]
    return said[-1][:200] if said else "nothing"
