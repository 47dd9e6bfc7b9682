# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Learn from QEMU how its guest ends, and at once when it can never go on.

The protocol is QEMU's QMP: an object of JSON a line. Two commands and two events of it serve here,
and each guest has a watch of its own to start, so that no client's package is loaded.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from threading import Event, Thread
from typing import Any, Final

_RETRY_S: Final = 0.1
_ASK: Final = b'{"execute": "query-status"}\n'
# Before the first QEMU reports no events; a guest may have stopped before the line was there.
_GREETING: Final = b'{"execute": "qmp_capabilities"}\n' + _ASK
_BEYOND_REPAIR: Final = {"internal-error", "io-error"}
"""Run states that QEMU stops a guest in: KVM cannot run it, or a device of this machine failed."""


class Heard:
    """Collect what QEMU reports, from construction until ``over`` is set."""

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
