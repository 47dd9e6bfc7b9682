# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show records as lines on stdout while they arrive, for a duration or until Ctrl-C."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, Generic, TypeVar

from bench.host.signals import uninterrupted
from bench.host.threads import Once, start

_Record = TypeVar("_Record")

DURATIONS_S: Final = (1e-3, 1e9)  # to about 30 years
PATIENCE_S: Final = 0.8  # after Ctrl-C, for a reader of the output; signals.py waits 1.5
_POLL_MS: Final = 100
_LAST_CHUNK_S: Final = 0.2  # for a write in progress when waiting ends
_CHUNK_BYTES: Final = 4096  # PIPE_BUF: a pipe takes all of it or none


class Showing(Generic[_Record]):
    """Show the wanted records of a tracer while :meth:`during` lasts.

    A thread does this, since signals interrupt only the main thread: records taken out of the
    buffers are written whole, or counted as not written.
    """

    def __init__(
        self,
        batch: Callable[[int], Sequence[_Record]],
        lines: Callable[[Sequence[_Record]], Iterator[str]],
        heading: str = "",
        wanted: Callable[[_Record], bool] = lambda _: True,
    ) -> None:
        self._batch = batch  # its argument: how long to wait, in ms
        self._lines = lines
        self._heading = heading
        self._wanted = wanted
        self._descriptor = sys.stdout.fileno()
        self._by_line = os.isatty(self._descriptor)
        self._encoding = sys.stdout.encoding
        self._reading = threading.Lock()
        self._stopping = False
        self._abandoned = False
        self._taken = self._written = 0  # wanted records; only the thread changes these
        self._failure: BaseException | None = None
        self._done = Once()
        self._thread = threading.Thread(target=self._run, name="showing", daemon=True)

    def during(
        self, attached: AbstractContextManager[object], seconds: float | None
    ) -> tuple[int, KeyboardInterrupt | None]:
        """Show the records that arrive while ``attached`` lasts, for ``seconds`` or until Ctrl-C.

        Return how many records could not be shown, and Ctrl-C, for :func:`conclude`.
        """
        try:
            with attached:
                self._start()
                self._done.wait(seconds)  # or until the output can no longer be written
            return self._finish(), None
        except KeyboardInterrupt as interrupt:
            return self._finish(PATIENCE_S), interrupt

    def _start(self) -> None:
        """Start the thread, which writes the heading first."""
        with uninterrupted():
            start(self._thread)

    def _finish(self, seconds: float | None = None) -> int:
        """Show what the detached tracer still has; return how many records could not be shown.

        ``seconds`` is how long a reader may take; None: for ever. Records that have not been
        written by then are taken out of the buffers, so that they are counted. Raises the error
        with which writing ended.
        """
        self._stopping = True
        if self._thread.ident is None:
            self._start()
        left = 0
        if not self._done.wait(seconds):
            with self._reading:
                self._abandoned = True
                while rest := self._batch(0):
                    left += sum(map(self._wanted, rest))
            self._done.wait(_LAST_CHUNK_S)
        if self._failure is not None:
            raise self._failure
        return self._taken - self._written + left

    def _run(self) -> None:
        try:
            self._write([self._heading])
            while True:
                stopping = self._stopping  # read first: earlier records are still shown
                with self._reading:
                    if self._abandoned:
                        return
                    records = self._batch(0 if stopping else _POLL_MS)
                    shown = list(filter(self._wanted, records))
                    self._taken += len(shown)
                for chunk in self._chunks(self._lines(shown)):
                    if self._abandoned:
                        return
                    self._write(chunk)
                    self._written += len(chunk)
                if stopping and not records:
                    return
        except BaseException as failure:  # noqa: BLE001  raised again in the main thread
            self._failure = failure
        finally:
            self._done.report()

    def _chunks(self, lines: Iterator[str]) -> Iterator[list[str]]:
        chunk: list[str] = []
        length = 0
        for line in lines:
            bytes_ = 4 * len(line)  # at most, in UTF-8
            if chunk and (self._by_line or length + bytes_ > _CHUNK_BYTES):
                yield chunk
                chunk, length = [], 0
            chunk.append(line)
            length += bytes_
        if chunk:
            yield chunk

    def _write(self, lines: Sequence[str]) -> None:
        left = "".join(lines).encode(self._encoding, "replace")
        while left:
            left = left[os.write(self._descriptor, left) :]


def clock_time(time_ns: int) -> str:
    """Return the local time of day to the millisecond: "14:02:07.250"."""
    clock = time.strftime("%H:%M:%S", time.localtime(time_ns // 10**9))
    return f"{clock}.{time_ns // 10**6 % 1000:03}"


def conclude(counts: str, unshown: int, interrupt: KeyboardInterrupt | None) -> None:
    """Print the counts on stderr, or raise Ctrl-C with them: its handler prints them last."""
    if unshown:
        counts += f"; {unshown} delivered are not shown, since the output was not read"
    if interrupt:
        interrupt.args = (counts,)
        raise interrupt
    print(counts, file=sys.stderr, flush=True)
