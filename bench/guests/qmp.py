# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""QEMU's own word on how a guest ended, by its machine protocol. Source: QEMU's QMP reference."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

_READ_BYTES: Final = 1 << 16


class Events:
    """What one QEMU said so far; :meth:`look` never waits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._unread = b""
        self.greeted = False
        """Whether QEMU answered at all."""
        self.shutdown: str | None = None
        """Why it ended: "guest-shutdown", "guest-reset", "host-signal" ...; None: unknown."""

    def look(self) -> None:
        """Connect if that is still to be done, and hear what there is."""
        with suppress(OSError):
            if self._socket is None:
                self._connect()
            while self._socket and (said := self._socket.recv(_READ_BYTES)):
                self._hear(said)

    def _connect(self) -> None:
        if not self._path.exists():
            return
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.connect(str(self._path))
            # Before this QEMU reports no events.
            line.sendall(b'{"execute":"qmp_capabilities"}\n')
            line.setblocking(False)
        except OSError:
            line.close()
            raise
        self._socket = line

    def _hear(self, said: bytes) -> None:
        *lines, self._unread = (self._unread + said).split(b"\n")
        for line in lines:
            with suppress(ValueError):
                message = json.loads(line)
                self.greeted = self.greeted or "QMP" in message
                # A reset and the shutdown that -no-reboot makes of it: the first is the reason.
                if message.get("event") == "SHUTDOWN" and self.shutdown is None:
                    self.shutdown = str(message.get("data", {}).get("reason", ""))
