# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Exit on Ctrl-C or SIGTERM: in an orderly way, with one line, and soon.

SIGINT that was ignored at the start stays ignored: shells do that to background jobs, for which
Ctrl-C at the terminal is not meant. SIGTERM is sent to one process on purpose and always ends it.
An alarm that a caller set before its exec is a time limit, and is handled like SIGTERM; so is the
limit on CPU time.

The first signal becomes a KeyboardInterrupt, so that everything open is closed on the way out. It
is not raised in __enter__, __exit__ or contextlib themselves, but a moment later: a context manager
that holds something, but is not yet known to the with statement, would not release it. What these
call, and the body of a generator, has to clean up by itself. What takes too long is left to the
kernel, which frees everything with the process; further signals change nothing.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

from bench.errors import in_a_line

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGXCPU)
_REASONS: Final = {
    signal.SIGALRM: " (an alarm that was set before the start)",
    signal.SIGXCPU: " (the limit on CPU time, ulimit -t, is reached)",
}

_IN_ORDER_S: Final = 1.5  # 2 s are promised
_AGAIN_S: Final = 0.001
_NOT_WITHIN: Final = frozenset(("__enter__", "__exit__", "called_by_c"))
"""Functions in which nothing is raised: ctypes drops what a function called from C raises."""


class Terminated(KeyboardInterrupt):
    """Unwind the stack on SIGTERM, to close everything that Ctrl-C closes."""


class Ending:
    """Handle Ctrl-C and SIGTERM; made once, at the start of the process."""

    def __init__(self) -> None:
        self._received = 0  # SIGINT or SIGTERM, once one has come
        self._reason = ""
        self._stderr = -1

    @property
    def code(self) -> int:
        """Return the exit code of the signal: 130 or 143."""
        return 128 + (self._received or signal.SIGINT)

    def install(self) -> None:
        """Install the handlers; call it in the main thread."""
        # The last line must not go to a redirected sys.stderr, nor, where stderr is closed, to
        # whatever file has its number by then.
        with suppress(OSError, ValueError, AttributeError):
            self._stderr = os.dup(sys.stderr.fileno())
        for number in SIGNALS:
            if number != signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)
        sys.unraisablehook = _unraisable
        # The parent may have blocked them until there is a handler.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def settle(self, code: int) -> int:
        """Return the final exit code, ``code`` or that of a signal; later signals are ignored."""
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # Python restores defaults as it shuts down
        if self._received:  # but was swallowed, for example in a finaliser
            self.leave()
        return code

    def leave(self, error: BaseException | None = None) -> NoReturn:
        """Exit at once; print the argument of ``error`` if it has one, else :attr:`line`.

        Python's shutdown would take a tenth of a second, and must not be interrupted.
        """
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # its reader may be gone
                stream.flush()
        line = in_a_line(str(error.args[0])) if error and error.args else self.line
        self._say(f"{line}{self._reason}")
        os._exit(self.code)

    @property
    def line(self) -> str:
        """Return the line that is printed by default."""
        return f"bufbench: {word(self._received == signal.SIGTERM)}"

    def _receive(self, number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self._received = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
        self._reason = _REASONS.get(signal.Signals(number), "")
        # Not threading's: the signal may have come while this thread held one of its locks.
        try:
            _thread.start_new_thread(self._wait, ())
        except RuntimeError:  # a limit on processes is reached
            signal.signal(signal.SIGALRM, lambda *_: self._at_once())
            signal.setitimer(signal.ITIMER_REAL, _IN_ORDER_S)
        self._end(self._received, frame)  # never SIGALRM, which may be the limit by now

    def _end(self, number: int, frame: FrameType | None) -> None:
        """Raise; where that would be lost, let the signal come again."""
        if frame is not None and _must_wait(frame):
            signal.signal(number, self._end)
            with suppress(RuntimeError):
                _thread.start_new_thread(_send_again, (number,))
                return
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    def _wait(self) -> None:
        time.sleep(_IN_ORDER_S)
        self._at_once()

    def _at_once(self) -> NoReturn:
        self._say(f"{self.line}, at once{self._reason}")
        os._exit(self.code)

    def _say(self, line: str) -> None:
        """Write the line, unless stderr would block."""
        with suppress(OSError, ValueError):  # ValueError: no stderr
            if not select.select([], [self._stderr], [], 0)[1]:
                return
            os.write(self._stderr, f"{line}\n".encode(errors="backslashreplace"))


def _must_wait(frame: FrameType) -> bool:
    """Return whether a context manager is being entered or left, or C called the function."""
    code = frame.f_code
    return code.co_name in _NOT_WITHIN or code.co_filename == contextlib.__file__


def _send_again(number: int) -> None:
    time.sleep(_AGAIN_S)
    signal.pthread_kill(threading.main_thread().ident or 0, number)  # it may wait in a call


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Print no traceback for a signal in a finaliser, nor for one that races with the first."""
    ignored = isinstance(lost.exc_value, OSError) and "race condition" in str(lost.exc_value)
    if not ignored and not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def word(terminated: bool) -> str:
    """Return what happened to the process, in one word."""
    return "terminated" if terminated else "interrupted"


def named(number: int) -> str:
    """Return a signal's name, "SIGKILL"; "signal 35" where it has none."""
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM until the end of the block.

    bcc must not be interrupted between closing a descriptor and forgetting it. A mask would not
    do: the signal would go to another thread, and be reported to this one.
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
        for number in came:  # also where the block failed; what is ignored by now changes nothing
            signal.raise_signal(number)
