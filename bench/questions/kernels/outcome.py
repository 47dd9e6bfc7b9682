# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Determine the outcome of one kernel from how its guest ended and the files that it left.

A result is a file, never console output, which is only quoted in a reason.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from bench.amounts import given
from bench.guests.watch import End, Ended, broken, held, last_line, panic
from bench.journal.files import write_whole
from bench.report.document import pick

if TYPE_CHECKING:
    from bench.guests.sources import Image

_Result = TypeVar("_Result", bound="Ran")

RESULT: Final = "result.json"
OUTCOME: Final = "outcome.json"
JOURNAL: Final = "journal.jsonl"
RUN: Final = "run.json"


class Status(StrEnum):
    """Name the state of a kernel: it has results, or why not."""

    DONE = "done"
    FAILED = "failed"  # the profile
    PANICKED = "panicked"  # the kernel, or it reset the machine
    HUNG = "hung"  # not over within its time
    KILLED = "killed"  # the guest, from outside or for lack of memory
    TORN = "torn"  # its files are incomplete
    NOT_REPRODUCIBLE = "not reproducible"  # the same guest, booted again, behaved differently
    UNAVAILABLE = "unavailable"  # no such kernel here, or it lacks what is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """Report how a kernel's run went."""

    status: Status
    reason: str = ""  # "" if it is done
    release: str = ""  # "" if unknown
    trials: int = 0
    complaints: tuple[str, ...] = ()  # of the kernel, from boot to the end
    left_out: tuple[str, ...] = ()  # experiments for which there was no time


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestResult(Ran):
    """Hold the guest's own report, written once its journal is closed: result.json."""

    journal_bytes: int
    journal_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """Describe the basis of a journal of several seeds."""

    qemu: str  # its version
    seeds: tuple[int, ...]  # that left a whole sample
    journal_sha256: str
    identical: bool  # the first seed's guest, booted again, agreed to the byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Ran):
    """Hold one kernel's row: outcome.json."""

    label: str
    origin: str = ""
    seconds: float = 0.0  # of the guest, boot included
    cpu_s: float = 0.0  # of this machine: far below seconds x CPUs on a busy one
    lost_boot: str = ""  # why a guest was booted again; "" if the first one sufficed
    reproduced: Reproduced | None = None  # None: a guest whose time is this machine's

    @property
    def final(self) -> bool:
        """Return whether another guest would be useless: it is done, or two ended the same way."""
        return self.status is Status.DONE or self.lost_boot == self.reason != ""


def result_of(journal: Path, ran: Ran) -> GuestResult:
    """Add a guest's journal to how its run went; one that is missing has no bytes."""
    content = journal.read_bytes() if journal.exists() else b""
    digest = hashlib.sha256(content).hexdigest()
    return pick(GuestResult, ran, journal_bytes=len(content), journal_sha256=digest)


def _parsed(kind: type[_Result], text: bytes) -> _Result | None:
    from pydantic import TypeAdapter

    with suppress(ValueError):
        return TypeAdapter(kind).validate_json(text)
    return None


def parse(text: bytes) -> GuestResult | None:
    """Parse a guest's result; None if it is not whole."""
    return _parsed(GuestResult, text)


def whole(word: bytes, journal: bytes) -> GuestResult:
    """Return a guest's own result; ValueError if it or its journal is not as it was written."""
    result = parse(word)
    if result is None:
        raise ValueError(f"{RESULT} is not whole")
    if hashlib.sha256(journal).hexdigest() != result.journal_sha256:
        wrote = f"the guest wrote {result.journal_bytes:,} bytes of journal"
        raise ValueError(f"{wrote}, not these {len(journal):,}")
    return result


def judge(folder: Path, ended: Ended, limit_s: float) -> Ran:
    """Return the guest's own result if it is whole, else why there is none."""
    word = held(folder / RESULT)
    if not word:
        console = held(folder / "console.log").decode(errors="replace")
        status, reason = _lost(console, ended, limit_s)
        return Ran(status=status, reason=reason)
    try:
        return whole(word, held(folder / JOURNAL))
    except ValueError as error:
        return Ran(status=Status.TORN, reason=str(error))


def _lost(console: str, ended: Ended, limit_s: float) -> tuple[Status, str]:
    """Return what became of a guest that left no result, and a reason."""
    last = last_line(console)
    match ended.end:
        case End.TIMED_OUT:
            return Status.HUNG, f"no result within {given(limit_s, 's')}; last line: {last}"
        case End.RESET:
            return Status.PANICKED, panic(console) or "the guest reset its machine"
        case End.GONE:
            return Status.KILLED, "the guest was killed, or the machine had no memory left for it"
        case End.BROKEN:
            return Status.FAILED, f"QEMU gave the guest up: {broken(console)}"
        case End.STOPPED:
            return Status.KILLED, "the run was stopped"
        case End.NEVER_STARTED:
            return Status.FAILED, f"QEMU did not start: {last}"
    if ended.code < 0:
        return Status.KILLED, f"killed by signal {-ended.code}"
    return Status.FAILED, f"it ended without a result; last line: {last}"


def write(folder: Path, outcome: Outcome) -> None:
    """Write outcome.json, whole or not at all."""
    text = json.dumps({"schema": 1, **asdict(outcome)}, indent=1) + "\n"
    write_whole(folder / OUTCOME, text.encode())


def row(image: Image, ran: Ran, **more: object) -> Outcome:
    """Return a kernel's row, from how it went and whatever else is known."""
    given = {"seconds": 0.0, "cpu_s": 0.0, "lost_boot": "", "reproduced": None} | more
    release = ran.release or image.release
    return pick(Outcome, ran, label=image.label, release=release, origin=image.origin, **given)


def read(folder: Path) -> Outcome | None:
    """Return a folder's outcome; None if none can be read."""
    return _parsed(Outcome, held(folder / OUTCOME))
