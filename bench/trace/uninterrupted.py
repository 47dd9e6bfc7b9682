# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Ctrl-C that waits: between closing a descriptor and forgetting it bcc must not be cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """What is inside is done whole; a Ctrl-C that came meanwhile counts at the end.

    A handler, not a mask: a masked signal would go to another thread, and be told to this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python tells none but the main thread
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)
