# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Watches over one guest in a process of its own: its time, its console, and how it ended.

    python -m bench.guests.watch CONSOLE LIMIT_S QMP -- COMMAND...

CONSOLE is the file that everything said goes to, QMP a socket that QEMU offers, or "" for a command
that is no guest. The harness holds the other end of stdin: when that is gone, so is the guest,
however the harness ended. The last line of stdout says how it went, as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from io import FileIO
from pathlib import Path
from typing import Final

from bench.guests.qmp import Events

MOST_CONSOLE_BYTES: Final = 16 * 1024 * 1024
"""A guest that writes more than this is not listened to any longer."""

_LOOK_S: Final = 0.1
_READ_BYTES: Final = 1 << 16


class End(StrEnum):
    """How a guest, or a command on the host, ended."""

    EXITED = "exited"  # a command that is no guest, with its own code
    POWERED_OFF = "powered off"  # as it is meant to
    RESET = "reset"  # what a panic does, and a triple fault
    GONE = "gone"  # without a word: killed
    NEVER_STARTED = "never started"  # QEMU gave up: no kernel, no memory
    TIMED_OUT = "timed out"
    STOPPED = "stopped"  # because the harness wanted it, or was gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end, and after how long."""

    end: End
    seconds: float
    code: int = 0  # of the command; negative: killed by that signal
    cpu_s: float = 0.0  # of all that it ran; 0 where it was killed

    def line(self) -> bytes:
        """Return the line that the harness reads."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Ended:
        """Parse what a watch said; one that said nothing was itself killed."""
        try:
            fields = json.loads(line)
            return cls(
                end=End(fields["end"]),
                seconds=fields["seconds"],
                code=fields["code"],
                cpu_s=fields["cpu_s"],
            )
        except (ValueError, KeyError, TypeError):
            return cls(end=End.GONE, seconds=0.0, code=-signal.SIGKILL)


class _Console:
    """Copies what is said to a file, up to a bound."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._left_bytes = MOST_CONSOLE_BYTES

    def take(self, said: bytes) -> None:
        try:
            self._file.write(said[: self._left_bytes])
        except OSError:  # a full disk; the console only lends its words
            self._left_bytes = 0
        self._left_bytes -= min(len(said), self._left_bytes)


def watch(console: FileIO, limit_s: float, qmp: str, argv: list[str]) -> Ended:
    """Run ``argv`` to its end, for ``limit_s``, or to the end of stdin, and leave nothing of it."""
    began = time.monotonic()
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
    events = Events(Path(qmp)) if qmp else None
    try:
        forced = _attend(child, _Console(console), events, began + limit_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ended(
        end=forced or _natural(events, code),
        seconds=time.monotonic() - began,
        code=code,
        cpu_s=used.ru_utime + used.ru_stime,
    )


def _attend(
    child: subprocess.Popen[bytes], console: _Console, events: Events | None, deadline: float
) -> End | None:
    """Listen until the end; what we ended it for, or None."""
    assert child.stdout is not None  # noqa: S101  asked for when it was started
    output = child.stdout.fileno()
    os.set_blocking(output, False)
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(_LOOK_S)}
            if 0 in ready and not os.read(0, 1):
                return End.STOPPED
            if events:
                events.look()
            over = child.poll() is not None
            if output in ready or over:
                _drain(output, console)
            if over:
                return None
            if time.monotonic() > deadline:
                return End.TIMED_OUT


def _drain(output: int, console: _Console) -> None:
    with suppress(BlockingIOError):
        while said := os.read(output, _READ_BYTES):
            console.take(said)


def _natural(events: Events | None, code: int) -> End:
    """Classify an exit that the watcher did not force.

    virtme-ng hands on the wait status of QEMU as its own exit code: of one that gave up by itself
    that is a multiple of 256, of one that was killed it is not.
    """
    if events is None:
        return End.EXITED
    events.look()
    if not events.greeted or (events.shutdown is None and code == 0):
        return End.NEVER_STARTED
    return {
        "guest-shutdown": End.POWERED_OFF,
        "guest-reset": End.RESET,
        "guest-panic": End.RESET,
    }.get(events.shutdown or "", End.GONE)


def main() -> None:
    """Run the command line above."""
    console, limit_s, qmp, _, *argv = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the end of stdin is what counts
    with Path(console).open("ab", buffering=0) as file:
        ended = watch(file, float(limit_s), qmp, argv)
    with suppress(BrokenPipeError):  # whoever wanted to know was killed
        os.write(1, ended.line())


if __name__ == "__main__":
    main()
