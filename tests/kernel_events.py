# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read the kernel's own account of forks and exits from the process connector (netlink)."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue

from bench.host.threads import beside

# linux/connector.h, linux/cn_proc.h
NETLINK_CONNECTOR = 11
CN_IDX_PROC = CN_VAL_PROC = 1
LISTEN, IGNORE = 1, 2
EVENT_FORK, EVENT_EXIT = 0x00000001, 0x80000000
SO_RCVBUFFORCE = 33
NETLINK_HEADER = struct.Struct("=IHHII")
CONNECTOR_HEADER = struct.Struct("=IIIIHH")
EVENT_HEADER = struct.Struct("=IIQ")  # what, cpu, timestamp_ns
FORK = struct.Struct("=iiii")  # parent's pid and tgid, child's pid and tgid
EXIT = struct.Struct("=iiII")  # pid, tgid, wait status, exit signal


@dataclass(frozen=True, kw_only=True, eq=False)
class Process:
    """Identify a process, which its PID alone does not: it may have been given to another since."""

    pid: int
    parent: Process | None = None  # of the leader: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Describe a fork, or an exit (status set), of a process or of one of its threads."""

    cpu: int
    time_ns: int
    tid: int
    process: Process
    status: int | None = None

    @property
    def of_thread(self) -> bool:
        """Tell whether it is of a thread beside the process's first."""
        return self.tid != self.process.pid


class Unavailable(Exception):
    """Report that there is no right to listen, or that the kernel lacks the connector."""


class Listener:
    """Read all events of the machine from the kernel as they come; made by :func:`listening`."""

    def __init__(self, connector: socket.socket) -> None:
        connector.settimeout(0.02)
        self._connector = connector
        self._messages: SimpleQueue[bytes | OSError] = SimpleQueue()
        self._over = False

    def read(self) -> None:
        """Read until stopped, or until the socket has lost events (ENOBUFS)."""
        try:
            while not self._over:
                with suppress(TimeoutError):
                    self._messages.put(self._connector.recv(4096))
        except OSError as error:
            self._messages.put(error)

    def stop(self) -> None:
        """End reading."""
        self._over = True

    def of_session(self, leader: int) -> list[Event]:
        """Return events of the descendants of this process's child until all have ended.

        The child's own events are left out. A process's parent is woken before its exit's event is
        sent: this may follow the event of the parent's exit.
        Raises OSError (ENOBUFS) if events were lost; queue.Empty if none came in 10 s.
        """
        own: dict[int, Process] = {}
        running: set[int] = set()  # TIDs
        events = []
        for cpu, time_ns, parent, tid, pid, status in self._decoded():
            if status is None and tid == pid:  # a new process, even if its PID was used before
                own.pop(pid, None)
                if parent in own:
                    own[pid] = Process(pid=pid, parent=own[parent])
                elif pid == leader and parent == os.getpid():
                    own[pid] = Process(pid=pid)
            if pid not in own:
                continue
            if status is None:
                running.add(tid)
            else:
                running.discard(tid)
            if pid != leader:
                event = Event(cpu=cpu, time_ns=time_ns, tid=tid, process=own[pid], status=status)
                events.append(event)
            if not running:
                break
        return events

    def _decoded(self) -> Iterator[tuple[int, int, int, int, int, int | None]]:
        """Yield CPU, time, parent (0 in an exit), TID, PID and status (None in a fork)."""
        while True:
            message = self._messages.get(timeout=10)
            if isinstance(message, OSError):
                raise message
            at = NETLINK_HEADER.size + CONNECTOR_HEADER.size
            what, cpu, time_ns = EVENT_HEADER.unpack_from(message, at)
            at += EVENT_HEADER.size
            if what == EVENT_FORK:
                _, parent, tid, pid = FORK.unpack_from(message, at)
                yield cpu, time_ns, parent, tid, pid, None
            elif what == EVENT_EXIT:
                tid, pid, status, _ = EXIT.unpack_from(message, at)
                yield cpu, time_ns, 0, tid, pid, status


@contextmanager
def listening() -> Iterator[Listener]:
    """Yield a listener for events from now on. Raises Unavailable.

    It reads while they come: a socket's buffer holds only some seconds of another test's storm.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR) as connector:
            connector.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            connector.bind((os.getpid(), CN_IDX_PROC))
            _ask(connector, LISTEN)
            listener = Listener(connector)
            with beside(listener.read, name="listener", stop=listener.stop):
                yield listener
            _ask(connector, IGNORE)
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EPROTONOSUPPORT, errno.ECONNREFUSED}:
            raise Unavailable(error.strerror) from error
        raise


def _ask(connector: socket.socket, operation: int) -> None:
    body = struct.pack("=I", operation)
    connected = CONNECTOR_HEADER.pack(CN_IDX_PROC, CN_VAL_PROC, 0, 0, len(body), 0) + body
    length = NETLINK_HEADER.size + len(connected)
    connector.send(NETLINK_HEADER.pack(length, 3, 0, 0, os.getpid()) + connected)  # NLMSG_DONE
