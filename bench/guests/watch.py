# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Watch over one guest in a separate process: its time, its console, and how it ended.

    python -m bench.guests.watch CONSOLE LIMIT_S QMP PRELOADED -- COMMAND...

CONSOLE is the file for all output, QMP a socket that QEMU offers, or "" for a command that is not
a guest, PRELOADED a library for the command alone, or "". The harness holds the other end of stdin:
when that closes, the guest ends, however the harness ended. The last line of stdout reports the
end, as JSON.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from io import FileIO
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

MOST_CONSOLE_BYTES: Final = 16 * 1024 * 1024
"""Output beyond this is not kept."""

_LONGEST_BYTES: Final = 64 << 20
_LAST_WORDS_S: Final = 20.0  # for a busy machine or disk: both listeners end by themselves
_GONE_S: Final = 1.0  # once bufbench has ended: nothing may be left 2 s later
_READ_BYTES: Final = 1 << 16
_RETRY_S: Final = 0.1
_ASK: Final = b'{"execute": "query-status"}\n'
# Before the first QEMU reports no events; a guest may have stopped before the line was there.
_GREETING: Final = b'{"execute": "qmp_capabilities"}\n' + _ASK
_BEYOND_REPAIR: Final = {"internal-error", "io-error"}
"""Run states of a stopped guest: KVM cannot run it, or a device of this machine failed."""
_STAMP: Final = re.compile(r"^\[ *\d+\.\d+\] ?")
_PANIC: Final = re.compile(r"Kernel panic - not syncing: .*")
# Source: QEMU, accel/kvm/kvm-all.c and target/i386/kvm/kvm.c; of the kinds of an internal error
# (KVM_INTERNAL_ERROR_...) only the first has its name there.
_OF_KVM: Final = re.compile(
    r"(KVM internal error\. Suberror: \d+|KVM: (?:entry failed|unknown exit).*"
    r"|error: (?:kvm run failed|failed to set MSR).*)"
    r"\s*(?:extra data\[\d+\].*\s*)*(emulation failure)?"
)
_LONGEST_LINE: Final = 200
_CANNOT_RUN: Final = 127  # as in shells


class End(StrEnum):
    """Name how a guest, or a command on the host, ended."""

    EXITED = "exited"  # a command that is not a guest, with its own code
    POWERED_OFF = "powered off"  # as intended
    RESET = "reset"  # what a panic does, and a triple fault
    GONE = "gone"  # without a word: killed
    BROKEN = "broken"  # QEMU stopped it for good: KVM cannot run it, or a device failed
    NEVER_STARTED = "never started"  # QEMU gave up: no kernel, no memory
    TIMED_OUT = "timed out"
    STOPPED = "stopped"  # because the harness requested it, or was gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Report how a guest or a command ended, and after how long."""

    end: End
    seconds: float
    code: int = 0  # of the command; negative: killed by that signal
    cpu_s: float = 0.0  # of everything that it ran; 0 if it was killed

    @classmethod
    def parse(cls, said: bytes) -> Ended:
        """Parse the last line of a watch; one that wrote none was itself killed."""
        try:
            fields = json.loads(said.splitlines()[-1])
            return cls(**{**fields, "end": End(fields["end"])})
        except (ValueError, LookupError, TypeError):
            return cls(end=End.GONE, seconds=0.0, code=-signal.SIGKILL)


class QmpListener:
    """Collect what QEMU reports, from construction until ``over`` is set.

    By QMP: a JSON object per line. Two commands and two events suffice here, and each guest starts
    its own watch, so no client library is loaded.
    """

    def __init__(self, path: str, over: Event) -> None:
        self.greeted = False
        self.ends: list[str] = []  # reasons of its shutdowns, the first of which is the cause
        self.stopped = os.eventfd(0)  # readable once the guest can never go on
        self._path, self._over = path, over
        self.thread = Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            while line.connect_ex(self._path) != 0:
                if self._over.wait(_RETRY_S):
                    return
            line.sendall(_GREETING)
            for text in line.makefile("rb"):
                with suppress(ValueError, KeyError, TypeError, AttributeError):
                    self._note(line, json.loads(text))

    def _note(self, line: socket.socket, message: dict[str, Any]) -> None:
        self.greeted |= "QMP" in message
        match message.get("event"):
            case "SHUTDOWN":
                self.ends.append(message["data"]["reason"])
            case "STOP":
                line.sendall(_ASK)
        if message.get("return", {}).get("status") in _BEYOND_REPAIR:
            os.eventfd_write(self.stopped, 1)


def watch(console: FileIO, limit_s: float, qmp: str, preloaded: str, argv: list[str]) -> Ended:
    """Run ``argv`` until it ends, ``limit_s`` pass or stdin ends, and leave nothing of it."""
    began = time.monotonic()
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LD_PRELOAD": preloaded} if preloaded else None,
            process_group=0,
            close_fds=False,  # what the watch inherited is for the command
        )
    except OSError as error:
        console.write(f"cannot run {argv[0]}: {error.strerror}\n".encode())
        return Ended(end=End.NEVER_STARTED if qmp else End.EXITED, seconds=0.0, code=_CANNOT_RUN)
    assert child.stdout is not None  # noqa: S101  asked for
    over = Event()
    copier = Thread(target=_copy, args=(child.stdout.fileno(), console), daemon=True)
    copier.start()
    qemu = QmpListener(qmp, over) if qmp else None
    try:
        pid = os.pidfd_open(child.pid)
        sources = [0, pid, *([qemu.stopped] if qemu else [])]
        ready, _, _ = select.select(sources, [], [], limit_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
    over.set()
    deadline = time.monotonic() + (_GONE_S if 0 in ready else _LAST_WORDS_S)
    for listener in (copier, *([qemu.thread] if qemu else [])):
        listener.join(max(0.0, deadline - time.monotonic()))
    if pid in ready:
        end = _natural(qemu, code) if qemu else End.EXITED
    elif 0 in ready:
        end = End.STOPPED
    else:
        end = End.BROKEN if ready else End.TIMED_OUT
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds, cpu_s = time.monotonic() - began, used.ru_utime + used.ru_stime
    return Ended(end=end, seconds=seconds, code=code, cpu_s=cpu_s)


def _copy(output: int, console: FileIO) -> None:
    """Copy output to the console's file, up to a bound."""
    left_bytes = MOST_CONSOLE_BYTES
    while chunk := os.read(output, _READ_BYTES):
        with suppress(OSError, ValueError):  # the disk is full, or the file closed; only quoted
            console.write(chunk[:left_bytes])
        left_bytes = max(0, left_bytes - len(chunk))


def _natural(qemu: QmpListener, code: int) -> End:
    """Classify an exit that the watcher did not force.

    virtme-ng passes on the wait status of QEMU as its own exit code: a multiple of 256 if QEMU gave
    up by itself, but not if it was killed.
    """
    if not qemu.greeted or not (qemu.ends or code):
        return End.NEVER_STARTED
    known = {
        "guest-shutdown": End.POWERED_OFF,
        "guest-reset": End.RESET,
        "guest-panic": End.RESET,
        "host-error": End.BROKEN,
    }
    return known.get(qemu.ends[0], End.GONE) if qemu.ends else End.GONE


def held(path: Path) -> bytes:
    """Return what a guest left in a file; nothing unless it is a plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return file.read(_LONGEST_BYTES) if plain else b""
    except OSError:
        return b""


def last_line(console: str, default: str = "nothing") -> str:
    """Return the last non-empty line; ``default`` without any."""
    lines = (_STAMP.sub("", line).strip() for line in reversed(console.splitlines()))
    return next((line[:_LONGEST_LINE] for line in lines if line), default)


def panic(console: str) -> str:
    """Return the kernel's message of a panic; "" without one."""
    found = _PANIC.search(console)
    return found[0].strip()[:_LONGEST_LINE] if found else ""


def broken(console: str) -> str:
    """Return QEMU's message about what it could not handle, else its last line."""
    if found := _OF_KVM.search(console):
        return ": ".join(filter(None, map(str.strip, found.groups(""))))[:_LONGEST_LINE]
    return last_line(console)


def main() -> None:
    """Run the command line above."""
    console, limit_s, qmp, preloaded, _, *argv = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # only the end of stdin counts
    with Path(console).open("ab", buffering=0) as file:
        ended = watch(file, float(limit_s), qmp, preloaded, argv)
    with suppress(BrokenPipeError):  # the harness was killed
        os.write(1, json.dumps(asdict(ended)).encode() + b"\n")


if __name__ == "__main__":
    main()
