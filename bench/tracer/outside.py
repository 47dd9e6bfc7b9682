# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Drain buffers by a reader in a separate process, which fills rows in shared memory.

docs/readers.md has the protocol, examples/reader a reader in C and one in Rust. Its rows are
checked against the ledger, as those of bufbench's own reader are.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.amounts import given
from bench.errors import MachineUnfit
from bench.host import process, signals
from bench.linux import procfs
from bench.linux.pages import PAGE_BYTES
from bench.record.layout import RECORD_BYTES, ROW

if TYPE_CHECKING:
    from subprocess import Popen

    from bench.plan.config import Consumer
    from bench.tracer.capture import Capture

VARIABLE: Final = "BUFBENCH_READER"
"""Holds the number of the reader's socket."""

READY: Final = b"ready"
STOP: Final = b"stop"
DONE: Final = b"done"

_MAGIC: Final = b"BBR1"
_HEADER: Final = struct.Struct("=4sIIIIIQQ")
_CONTROL: Final = struct.Struct("=6Q")  # count, overflow, malformed, lost, wake-ups, empty polls
_RING, _PERF = 1, 2
_MOST_FDS: Final = 250  # of one message: SCM_MAX_FD is 253
_STDERR: Final = 2
_READY_S: Final = 10.0
_DONE_S: Final = 15.0
_ASLEEP_S: Final = 3.0  # without any use of a CPU: nothing more is to come
_END_S: Final = 1.0  # from the end of its socket to its exit
_LOOK_S: Final = 0.005
_REMEDY: Final = "see docs/readers.md for what a reader does"


@contextmanager
def reader(
    fds: Sequence[int], data_bytes: int, capture: Capture, consumer: Consumer, *, rings: bool
) -> Iterator[Callable[[], None]]:
    """Start the reader and pass it buffers of ``data_bytes`` each; yield the drain.

    ``fds``: of ring buffers' maps, or of the perf events of perf buffers. MachineUnfit if it does
    not follow the protocol.
    """
    with ExitStack() as stack:
        rows_bytes = PAGE_BYTES + capture.capacity * ROW.size
        memory = os.memfd_create("bufbench_rows", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        stack.callback(os.close, memory)
        os.ftruncate(memory, rows_bytes)
        # If the reader shrank it, reading here would end this process by SIGBUS.
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        shared = stack.enter_context(mmap.mmap(memory, rows_bytes))
        harness_end, reader_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.callback(harness_end.close)
        with reader_end:
            stderr = stack.enter_context(os.fdopen(_STDERR, "wb", closefd=False))
            child = stack.enter_context(
                process.started(
                    consumer.command,
                    output=stderr,  # a pipe that nobody reads would fill
                    env={VARIABLE: str(reader_end.fileno())},
                    pass_fds=(reader_end.fileno(),),
                    tied=True,
                )
            )
        peer = _Peer(harness_end, child, consumer.command[0])
        header = _HEADER.pack(
            _MAGIC, _RING if rings else _PERF, len(fds), RECORD_BYTES, ROW.size, 0,
            data_bytes, capture.capacity,
        )  # fmt: skip
        try:
            socket.send_fds(harness_end, [header], [memory])
            for first in range(0, len(fds), _MOST_FDS):
                socket.send_fds(harness_end, [b"buffers"], [*fds[first : first + _MOST_FDS]])
        except OSError as error:
            raise peer.refused("did not take its buffers") from error
        peer.expect(READY, _READY_S)
        yield lambda: _drain(peer, shared, capture)


@dataclass(frozen=True, slots=True)
class _Peer:
    """Hold the reader's process, and bufbench's end of its socket."""

    socket: socket.socket
    child: Popen[bytes]
    name: str

    def expect(self, word: bytes, within_s: float, asleep_s: float = inf) -> None:
        """Wait for the reader to say ``word``; MachineUnfit if it says anything else, or nothing.

        Also if it first sleeps for ``asleep_s`` without a break.
        """
        what, said = f"did not say {word.decode()!r}", b""
        end, used_ns = time.monotonic() + within_s, _use(self.child.pid)[0]
        self.socket.settimeout(min(asleep_s, within_s))
        while True:
            try:
                said = self.socket.recv(64)
                break
            except TimeoutError:
                before_ns, used_ns = used_ns, _use(self.child.pid)[0]
                if time.monotonic() >= end:
                    raise self.refused(f"{what} within {given(within_s, 's')}") from None
                if used_ns == before_ns:
                    raise self.refused(f"sleeps, and {what}") from None
            except OSError:
                break
        if said != word:
            raise self.refused(what)

    def refused(self, what: str) -> MachineUnfit:
        """Return the error for what the reader did, and how it ended if it has."""
        code = process.ended(self.child, _END_S)
        if code is not None:
            end = f"was killed by {signals.named(-code)}" if code < 0 else f"ended with {code}"
            what += f": it {end}"
        return MachineUnfit(f"the reader {self.name} {what}", remedy=_REMEDY)


def _drain(peer: _Peer, shared: mmap.mmap, capture: Capture) -> None:
    """Wait for ``capture.stop()``, make the reader finish, and take its rows."""
    before = _use(peer.child.pid)
    while not capture.stopping:
        if process.ended(peer.child) is not None:
            raise peer.refused("ended before the storm did")
        time.sleep(_LOOK_S)
    try:
        peer.socket.send(STOP)
    except OSError as error:
        raise peer.refused("no longer listens") from error
    peer.expect(DONE, _DONE_S, _ASLEEP_S)
    after = _use(peer.child.pid)
    count, overflow, malformed, lost, wakeups, empty = _CONTROL.unpack_from(shared)
    if count > capture.capacity:
        raise MachineUnfit(
            f"of {capture.capacity:,} rows {count:,} were filled, by {peer.name}", remedy=_REMEDY
        )
    with memoryview(shared)[PAGE_BYTES : PAGE_BYTES + count * ROW.size] as rows:
        capture.take(rows, overflow=overflow, malformed=malformed, lost=lost, empty_polls=empty)
    capture.wakeups_taken = wakeups
    capture.cpu_ns, capture.voluntary_switches, capture.involuntary_switches = (
        max(0, now - then)  # nothing is known of threads that have ended meanwhile
        for now, then in zip(after, before, strict=True)
    )


def _use(pid: int) -> tuple[int, int, int]:
    """Return CPU ns, voluntary and involuntary switches of all threads that a process has now."""
    found = [0, 0, 0]
    for task in Path(f"/proc/{pid}/task").glob("[0-9]*"):
        ran = (procfs.read(task / "schedstat") or "0").split()
        found[0] += int(ran[0])
        status = procfs.parse_numbers(procfs.read(task / "status") or "")
        found[1] += status.get("voluntary_ctxt_switches", 0)
        found[2] += status.get("nonvoluntary_ctxt_switches", 0)
    return found[0], found[1], found[2]
