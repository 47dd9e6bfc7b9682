# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read the kernel's own account of forks and exits from the process connector (netlink)."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Describe a fork (parent set) or an exit (status set) of a process or thread."""

    cpu: int
    time_ns: int
    pid: int
    tgid: int
    parent: int | None = None
    status: int | None = None


class Unavailable(Exception):
    """Report that there is no right to listen, or that the kernel lacks the connector."""


@contextmanager
def listener() -> Iterator[socket.socket]:
    """Yield a socket that collects events from now on. Raises Unavailable."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR) as connector:
            connector.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            connector.bind((os.getpid(), CN_IDX_PROC))
            _ask(connector, LISTEN)
            yield connector
            _ask(connector, IGNORE)
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EPROTONOSUPPORT, errno.ECONNREFUSED}:
            raise Unavailable(error.strerror) from error
        raise


def of_session(connector: socket.socket, leader: int) -> list[Event]:
    """Return events of the leader's descendants until its own exit, which is left out.

    Good for storms too short for a pid to be used again. Events come late in an exit: a thread's
    may follow that of a process which ended after it.
    Raises OSError (ENOBUFS) if the socket's buffer has overflown: nothing is missed silently.
    """
    connector.settimeout(10)
    own = {leader}
    events = []
    while True:
        message = connector.recv(4096)
        at = NETLINK_HEADER.size + CONNECTOR_HEADER.size
        what, cpu, time_ns = EVENT_HEADER.unpack_from(message, at)
        at += EVENT_HEADER.size
        if what == EVENT_FORK:
            _, parent, pid, tgid = FORK.unpack_from(message, at)
            if parent in own:
                own.add(tgid)
                events.append(Event(cpu=cpu, time_ns=time_ns, pid=pid, tgid=tgid, parent=parent))
        elif what == EVENT_EXIT:
            pid, tgid, status, _ = EXIT.unpack_from(message, at)
            if pid == leader:
                return events
            if tgid in own:
                events.append(Event(cpu=cpu, time_ns=time_ns, pid=pid, tgid=tgid, status=status))


def _ask(connector: socket.socket, operation: int) -> None:
    body = struct.pack("=I", operation)
    connected = CONNECTOR_HEADER.pack(CN_IDX_PROC, CN_VAL_PROC, 0, 0, len(body), 0) + body
    length = NETLINK_HEADER.size + len(connected)
    connector.send(NETLINK_HEADER.pack(length, 3, 0, 0, os.getpid()) + connected)  # NLMSG_DONE
