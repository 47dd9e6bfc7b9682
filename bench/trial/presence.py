# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Watch whether the harness runs all the while: stopped, frozen or starved, it reads nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from bench.host.signals import start

_TICK_NS: Final = 50_000_000


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """Look at the clock 20 times a second, in a thread of its own, within the context.

    What it yields returns the longest time in ns, up to then, that the harness did not run.
    """
    over = threading.Event()
    last_ns, longest_ns = time.monotonic_ns(), 0

    def away_ns() -> int:
        return max(longest_ns, time.monotonic_ns() - last_ns - _TICK_NS)

    def body() -> None:
        nonlocal last_ns, longest_ns
        while not over.wait(_TICK_NS / 1e9):
            longest_ns, last_ns = away_ns(), time.monotonic_ns()

    thread = threading.Thread(target=body, name="presence", daemon=True)
    start(thread)
    try:
        yield away_ns
    finally:
        over.set()
        thread.join()
