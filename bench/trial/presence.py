# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Watch whether the harness runs all the while: stopped, frozen or starved, it reads nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.host.signals import start

_TICK_NS: Final = 50_000_000


class Presence:
    """The longest time that the harness was away. Made by :func:`watched`."""

    def __init__(self) -> None:
        self._last_ns = time.monotonic_ns()
        self._longest_ns = 0

    def tick(self) -> None:
        """Note that it runs; what exceeds the usual time between two ticks, it did not."""
        now_ns = time.monotonic_ns()
        self._longest_ns = max(self._longest_ns, now_ns - self._last_ns - _TICK_NS)
        self._last_ns = now_ns

    @property
    def away_ns(self) -> int:
        """Return the longest time up to now, one that has not ended included."""
        return max(self._longest_ns, time.monotonic_ns() - self._last_ns - _TICK_NS)


@contextmanager
def watched() -> Iterator[Presence]:
    """Look at the clock 20 times a second, in a thread of its own, within the context."""
    presence, over = Presence(), threading.Event()

    def body() -> None:
        while not over.wait(_TICK_NS / 1e9):
            presence.tick()

    thread = threading.Thread(target=body, name="presence", daemon=True)
    start(thread)
    try:
        yield presence
    finally:
        over.set()
        thread.join()
