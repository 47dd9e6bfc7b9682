# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a function in a thread that ends before what it uses is closed, even on Ctrl-C.

Python's own tools do not ensure it. If a signal's handler raises during join(), Python believes
the thread to have ended (_wait_for_tstate_lock() in CPython 3.11); an executor does not wait for a
thread that it was just starting; and the lock inside an Event may stay locked. A mapping or bcc's
compiler would then be closed while the thread still uses it.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from bench.host.signals import SIGNALS, uninterrupted

Result = TypeVar("Result")


class Once:
    """Wait in one thread for an event that another thread reports once."""

    def __init__(self) -> None:
        self._came = False
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def report(self) -> None:
        """End the wait."""
        self._came = True
        self._lock.release()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait up to ``seconds`` (None: for ever); return whether it was reported."""
        if not self._came:
            self._lock.acquire(timeout=-1 if seconds is None else seconds)
        return self._came


class Running(Generic[Result]):
    """Run a function in a thread; made by :func:`beside`."""

    def __init__(self, call: Callable[[], Result], name: str) -> None:
        self._call = call
        self._over = Once()
        self._results: list[Result] = []
        self._failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait up to ``seconds`` (None: for ever) until it has returned; return whether it has."""
        return self._over.wait(seconds)

    def result(self) -> Result:
        """Wait, and return its result; raise its error."""
        self._over.wait()
        if self._failure is not None:
            raise self._failure
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as failure:  # noqa: BLE001  raised again by result()
            self._failure = failure
        finally:
            self._over.report()


@contextmanager
def beside(
    call: Callable[[], Result], *, name: str, stop: Callable[[], object] = lambda: None
) -> Iterator[Running[Result]]:
    """Run ``call`` in a thread called ``name`` while the context lasts.

    On leaving, ``stop``, which may be called twice, asks it to return, and the thread is joined.
    Its error is raised, unless another one ended the context.
    """
    running, started = Running(call, name), False
    try:
        with uninterrupted():
            start(running.thread)
            started = True
        yield running
    finally:
        if started:
            try:
                with uninterrupted():
                    stop()
                running.wait()
            except KeyboardInterrupt:  # at most one: Ending ignores the rest
                stop()
                running.wait()
                raise
    running.thread.join()  # it no longer uses anything, so Ctrl-C here does no harm
    running.result()


@contextmanager
def repeated(look: Callable[[], object], every_s: float, *, name: str) -> Iterator[None]:
    """Call ``look`` at intervals, in a thread called ``name``, while the context lasts."""
    over = threading.Event()

    def body() -> None:
        while not over.wait(every_s):
            look()

    with beside(body, name=name, stop=over.set):
        yield


def start(thread: threading.Thread) -> None:
    """Start a thread to which Ctrl-C and SIGTERM are never delivered.

    The kernel may choose any thread that does not block them, as it does after SIGCONT, and Python
    would answer only when its main thread next runs.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the thread inherits it
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
