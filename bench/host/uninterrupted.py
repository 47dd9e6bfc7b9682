# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Ctrl-C that waits: between closing a descriptor and forgetting it bcc must not be cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bench.host.signals import SIGNALS


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the end of the block.

    A handler, not a mask: a masked signal would go to another thread, and be reported to this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only
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


def start(thread: threading.Thread) -> None:
    """Start a thread that Ctrl-C and SIGTERM never go to.

    The kernel may choose any thread that does not block them, as it does after SIGCONT, and Python
    would answer only when its main thread next runs.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the thread inherits it
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
