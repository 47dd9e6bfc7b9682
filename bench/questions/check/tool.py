# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the tool and keep its output, with the time at which each part arrived.

It writes to a pseudo-terminal unless a pipe is requested: most tools buffer what they write to a
pipe.
"""

from __future__ import annotations

import fcntl
import os
import pty
import selectors
import signal
import struct
import termios
import time
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from subprocess import Popen
from typing import Final

import psutil

from bench.amounts import size
from bench.errors import MachineUnfit
from bench.host import process, signals
from bench.host.threads import beside
from bench.questions.check.lines import Chunk

MOST_BYTES: Final = 64 << 20
"""Most that a tool may print before it is ended."""

_WIDE: Final = struct.pack("HHHH", 64, 4_096, 0, 0)  # rows and columns: no line is cut
_READ_BYTES: Final = 1 << 16
_LAST_WORDS_S: Final = 2.0


@dataclass(slots=True)
class Output:
    """Collect the output of a tool; a thread adds to it."""

    printed: list[Chunk] = field(default_factory=list)  # on stdout
    said: list[Chunk] = field(default_factory=list)  # on stderr
    bytes_read: int = 0
    ended: bool = False

    def last_words(self) -> str:
        """Return the last line of stderr, else of stdout, in at most 200 characters."""
        for chunks in (self.said, self.printed):
            text = b"".join(part for _, part in chunks[-16:]).decode(errors="replace").strip()
            if text:
                return text.splitlines()[-1].strip()[:200]
        return ""


class Tool:
    """Hold a running tool, made by :func:`running`."""

    def __init__(self, command: Sequence[str], child: Popen[bytes], output: Output) -> None:
        self.command = tuple(command)
        self.output = output
        self._child = child

    def check_alive(self, most_bytes: int = MOST_BYTES) -> None:
        """Raise MachineUnfit, with its last line, if it has ended or printed more than that."""
        if self.output.bytes_read > most_bytes:
            raise MachineUnfit(
                f"{self.command[0]} printed more than {size(most_bytes)}",
                remedy="make it print less, or take shorter --seconds",
            )
        code = process.ended(self._child)
        if code is None:
            return
        time.sleep(0.1)  # its last line may still be on the way
        ended = f"was killed by {signals.named(-code)}" if code < 0 else f"ended with {code}"
        words = self.output.last_words()
        raise MachineUnfit(f"{self.command[0]} {ended}" + (f": {words}" if words else ""))

    def finish(self) -> None:
        """Interrupt it, as Ctrl-C does, and give it a short time to print its last lines."""
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGINT)
        process.ended(self._child, _LAST_WORDS_S)
        deadline = time.monotonic() + _LAST_WORDS_S
        while not self.output.ended and time.monotonic() < deadline:
            time.sleep(0.02)

    def use(self) -> tuple[float, int]:
        """Return the CPU seconds so far and the resident bytes of all its processes."""
        cpu_s, rss_bytes = 0.0, 0
        for pid in process.members(self._child.pid):
            with suppress(psutil.Error):
                each = psutil.Process(pid)
                times = each.cpu_times()
                cpu_s += times.user + times.system + times.children_user + times.children_system
                rss_bytes += each.memory_info().rss
        return cpu_s, rss_bytes


@contextmanager
def running(
    command: Sequence[str], *, environment: Mapping[str, str], pipe: bool = False
) -> Iterator[Tool]:
    """Run the tool as long as the context lasts; then its whole session is killed."""
    with ExitStack() as stack:
        source, target = os.pipe2(os.O_CLOEXEC) if pipe else pty.openpty()
        stack.callback(_close, source)
        try:
            if not pipe:
                tty.setraw(target)
                fcntl.ioctl(target, termios.TIOCSWINSZ, _WIDE)
            child = stack.enter_context(
                process.started(
                    command,
                    env={"TERM": "dumb", **environment},
                    terminal=target,
                    tied=True,
                )
            )
        finally:
            os.close(target)
        output = Output()
        stop = os.eventfd(0, os.EFD_CLOEXEC)
        stack.callback(os.close, stop)
        read = partial(_read, source, child, output, stop)
        with beside(read, name="reader", stop=partial(os.eventfd_write, stop, 1)):
            yield Tool(command, child, output)


def _read(source: int, child: Popen[bytes], output: Output, stop: int) -> None:
    """Keep the output until both streams end, or ``stop`` is readable."""
    assert child.stderr is not None  # noqa: S101  process.started has made it a pipe
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ, output.printed)
        selector.register(child.stderr.fileno(), selectors.EVENT_READ, output.said)
        selector.register(stop, selectors.EVENT_READ, None)
        while len(selector.get_map()) > 1:
            for key, _ in selector.select():
                if key.data is None:
                    return
                try:
                    text = os.read(key.fd, _READ_BYTES)
                except OSError:  # the other end of a terminal is closed
                    text = b""
                if not text:
                    selector.unregister(key.fd)
                    continue
                output.bytes_read += len(text)
                if output.bytes_read <= MOST_BYTES:
                    key.data.append((time.monotonic_ns(), text))
    output.ended = True


def _close(descriptor: int) -> None:
    with suppress(OSError):
        os.close(descriptor)
