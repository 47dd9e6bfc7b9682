# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Ctrl-C that waits: between closing a descriptor and forgetting it bcc must not be cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bench.ending import SIGNALS


@contextmanager
def uninterrupted() -> Iterator[None]:
    """What is inside is done whole; a Ctrl-C or SIGTERM that came meanwhile counts at the end.

    A handler, not a mask: a masked signal would go to another thread, and be told to this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python tells none but the main thread
        return
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if came:
        signal.raise_signal(came[0])
