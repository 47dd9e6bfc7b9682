# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench trace."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from bench.cli.options import TRANSPORTS, of_output, of_run, of_tracer
from bench.cli.values import Size, Time
from bench.errors import UsageError
from bench.escape import clean_name
from bench.host.signals import start, uninterrupted
from bench.linux import procfs

if TYPE_CHECKING:
    from bench.record.layout import CapturedRecord
    from bench.tracer.live import LiveTrace

_LONGEST_S: Final = 1e9  # about 30 years
_PATIENCE_S: Final = 0.8  # after Ctrl-C, for a reader of the output; signals.py waits 1.5
_POLL_MS: Final = 100
_LAST_CHUNK_S: Final = 0.2  # for what is being written when no more is waited for
_CHUNK_BYTES: Final = 4096  # PIPE_BUF: a pipe takes all of it or none
_CORE: Final = 0x80  # of a wait status: the core was dumped
_OUTSIDE: Final = "bufbench: processes outside this PID namespace are shown with PID 0"
_HEADING: Final = f"{'TIME':<12} {'PID':>7} {'PPID':>7} {'EXIT_CODE':<15} {'DURATION':>12} COMM"

_TRANSPORT = of_tracer(help=f"{TRANSPORTS}.")
_BUDGET = of_tracer(
    click_type=Size(),
    help="Data bytes over all buffers; 8 MiB or just below by default.",
    metavar="SIZE",
)
_DURATION = of_run(click_type=Time("s"), help="Seconds to trace; until Ctrl-C by default.")


def command(
    *,
    transport: Annotated[str, _TRANSPORT] = "ringbuf",
    budget: Annotated[int | None, _BUDGET] = None,
    as_json: Annotated[bool, of_output("--json", help="One JSON document a line.")] = False,
    pid: Annotated[int | None, of_output(help="Only this process.")] = None,
    comm: Annotated[str | None, of_output(help="Only processes of this name.")] = None,
    duration: Annotated[float | None, _DURATION] = None,
) -> None:
    """Show every process that exits: when, which, whose child, how, after how long.

    A killed process shows its signal's name. At the end stderr says how many exits were delivered,
    lost for lack of space, and missed because the kernel skipped the tracer. PIDs are those of the
    caller's PID namespace, 0 for others.

    Example: bufbench trace --comm make --duration 60
    """
    from bench.tracer import live

    if duration is not None and not 0 < duration <= _LONGEST_S:
        raise UsageError(
            f"--duration {duration:g} is out of range", remedy=f"take up to {_LONGEST_S:g} seconds"
        )
    if pid is not None and pid < 1:
        raise UsageError(f"--pid {pid} is no process", remedy="take 1 or more")
    name = None if comm is None else os.fsencode(comm)[:15]  # as the kernel cuts it

    def wanted(record: CapturedRecord) -> bool:
        return (pid is None or record.pid == pid) and (name is None or _name(record) == name)

    asked: KeyboardInterrupt | None = None
    with live.opened(transport, budget) as tracer:
        shown = _Showing(tracer, wanted, as_json)
        if procfs.namespace("pid") not in (None, procfs.INITIAL_PID_NAMESPACE):
            print(_OUTSIDE, file=sys.stderr, flush=True)
        try:
            with tracer.attached():
                shown.start()
                shown.wait(duration)
            unshown = shown.finish()
        except KeyboardInterrupt as interrupt:
            asked = interrupt
            unshown = shown.finish(_PATIENCE_S)
        tally = tracer.tally()
    counts = f"{tally.delivered} delivered, {tally.lost} lost, {tally.missed} missed"
    if unshown:
        counts += f"; {unshown} delivered are not shown, since the output was not read"
    if asked:
        asked.args = (counts,)
        raise asked
    print(counts, file=sys.stderr, flush=True)


@dataclass(kw_only=True)
class Exit:
    """A line of JSON: one process that exited."""

    time_ns: int  # since 1970
    pid: int
    ppid: int
    exit_code: int | None
    signal: str | None
    core_dumped: bool
    duration_ns: int
    comm: str
    cpu: int


class _Showing:
    """Shows the wanted records of a tracer until :meth:`finish`.

    In a thread, since no signal interrupts one other than the main thread: what was taken out of
    the buffers is written whole, or is known not to be.
    """

    def __init__(
        self, tracer: LiveTrace, wanted: Callable[[CapturedRecord], bool], as_json: bool
    ) -> None:
        self._tracer = tracer
        self._wanted = wanted
        self._line = _json_line if as_json else _text_line
        self._heading = "" if as_json else f"{_HEADING}\n"
        self._descriptor = sys.stdout.fileno()
        self._by_line = os.isatty(self._descriptor)
        self._encoding = sys.stdout.encoding
        self._reading = threading.Lock()
        self._stopping = False
        self._abandoned = False
        self._taken = self._written = 0  # wanted records; by the thread alone
        self._failure: BaseException | None = None
        self._done = threading.Event()  # a join that Ctrl-C interrupts takes the thread for ended
        self._thread = threading.Thread(target=self._run, name="showing", daemon=True)

    def start(self) -> None:
        """Begin with the heading."""
        with uninterrupted():
            start(self._thread)

    def wait(self, seconds: float | None) -> None:
        """Return after ``seconds``, or as soon as the output cannot be written any more."""
        self._done.wait(seconds)

    def finish(self, seconds: float | None = None) -> int:
        """Show what the detached tracer still holds; return how many could not be shown.

        ``seconds`` is how long a reader may take; None: for ever. Whatever has not
        been written by then is taken out of the buffers, so that it is counted. Raises the error
        that writing ended with.
        """
        self._stopping = True
        if self._thread.ident is None:
            self.start()
        left = 0
        if not self._done.wait(seconds):
            with self._reading:
                self._abandoned = True
                while rest := self._tracer.batch(0):
                    left += sum(map(self._wanted, rest))
            self._done.wait(_LAST_CHUNK_S)
        if self._failure is not None:
            raise self._failure
        return self._taken - self._written + left

    def _run(self) -> None:
        try:
            self._write([self._heading])
            while True:
                stopping = self._stopping  # asked first: what came before it is read
                with self._reading:
                    if self._abandoned:
                        return
                    records = self._tracer.batch(0 if stopping else _POLL_MS)
                    shown = list(filter(self._wanted, records))
                    self._taken += len(shown)
                offset_ns = self._tracer.wall_offset_ns()
                for chunk in self._chunks(self._line(each, offset_ns) for each in shown):
                    if self._abandoned:
                        return
                    self._write(chunk)
                    self._written += len(chunk)
                if stopping and not records:
                    return
        except BaseException as failure:  # noqa: BLE001  raised again in the main thread
            self._failure = failure
        finally:
            self._done.set()

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


def _name(record: CapturedRecord) -> bytes:
    return record.comm.split(b"\0", 1)[0]


def _text_line(record: CapturedRecord, offset_ns: int) -> str:
    time_ns = record.timestamp_ns + offset_ns
    clock = time.strftime("%H:%M:%S", time.localtime(time_ns // 10**9))
    code, killer, core = _ended(record.status)
    how = f"{killer}{' (core)' * core}" if killer else str(code)
    return (
        f"{clock}.{time_ns // 10**6 % 1000:03} {record.pid:>7} {record.parent_pid:>7} {how:<15} "
        f"{record.duration_ns / 1e6:>9.3f} ms {clean_name(_name(record))}\n"
    )


def _json_line(record: CapturedRecord, offset_ns: int) -> str:
    code, killer, core = _ended(record.status)
    found = Exit(
        time_ns=record.timestamp_ns + offset_ns,
        pid=record.pid,
        ppid=record.parent_pid,
        exit_code=code,
        signal=killer,
        core_dumped=core,
        duration_ns=record.duration_ns,
        comm=clean_name(_name(record)),
        cpu=record.cpu,
    )
    return json.dumps(vars(found)) + "\n"


def _ended(status: int) -> tuple[int | None, str | None, bool]:
    """Return the exit code or the signal's name of a wait status, and whether a core was dumped."""
    core = bool(status & _CORE)
    if not (number := status & 0x7F):
        return status >> 8 & 0xFF, None, core
    try:
        return None, signal.Signals(number).name, core
    except ValueError:  # a real-time signal
        return None, f"SIG{number}", core
