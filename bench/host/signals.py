# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How we end when we are asked to, by Ctrl-C or SIGTERM: in order, in a line, and soon.

SIGINT that was ignored at the start stays ignored: a shell does that to background jobs, which a
Ctrl-C at the terminal is not meant for. SIGTERM is sent to one process on purpose and always ends
it. An alarm that a caller set before its exec is a time limit, and ends as SIGTERM does; so does
the limit on CPU time.

The first signal becomes a KeyboardInterrupt, so that everything open is closed on the way out. What
takes longer than that may take is left to the kernel, which frees all that is ours with the
process; further signals change nothing.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Final, NoReturn

from bench.escape import in_a_line

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGXCPU)
_REASONS: Final = {
    signal.SIGALRM: " (an alarm that was set before the start)",
    signal.SIGXCPU: " (the limit on CPU time, ulimit -t, is reached)",
}

_IN_ORDER_S: Final = 1.5  # 2 s are promised


class Terminated(KeyboardInterrupt):
    """SIGTERM: whoever closes things on Ctrl-C closes them now too."""


class Ending:
    """Ctrl-C and SIGTERM of this process. One for each, made where the process begins."""

    def __init__(self) -> None:
        self._asked: int = signal.SIGINT
        self._came = False
        self._reason = ""
        self._stderr = -1

    @property
    def code(self) -> int:
        """The exit code that tells by which signal: 130 or 143."""
        return 128 + self._asked

    def heed(self) -> None:
        """From now on; call it in the main thread."""
        # What is said last must not end in somebody's capture, nor, where stderr is closed, in
        # whatever file has its number by then.
        with suppress(OSError, ValueError, AttributeError):
            self._stderr = os.dup(sys.stderr.fileno())
        for number in SIGNALS:
            if number != signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._ask)
        sys.unraisablehook = _unraisable
        # Whoever started us may have held them back until somebody can answer.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def stand(self, code: int) -> int:
        """The exit code, ``code`` or that of a signal that came: no later signal changes it."""
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # Python, closing down, would let them kill us
        if self._came:  # and fell where nobody heard it, such as in a finaliser
            self.leave()
        return code

    def leave(self, told: BaseException | None = None) -> NoReturn:
        """End here and now. An argument of ``told`` is the line that is printed.

        Python's own way out would take a tenth of a second, and does not like to be interrupted.
        """
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # its reader may be gone, or it
                stream.flush()
        line = in_a_line(str(told.args[0])) if told and told.args else self.line
        self._say(f"{line}{self._reason}")
        os._exit(self.code)

    @property
    def line(self) -> str:
        """What is said where nobody knows more."""
        return f"bufbench: {word(self._asked == signal.SIGTERM)}"

    def _ask(self, number: int, _: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self._asked = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
        self._reason = _REASONS.get(signal.Signals(number), "")
        self._came = True
        # Not threading's: the signal may have come while this very thread held a lock of it.
        try:
            _thread.start_new_thread(self._wait, ())
        except RuntimeError:  # a limit of processes is reached
            signal.signal(signal.SIGALRM, lambda *_: self._at_once())
            signal.setitimer(signal.ITIMER_REAL, _IN_ORDER_S)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    def _wait(self) -> None:
        time.sleep(_IN_ORDER_S)
        self._at_once()

    def _at_once(self) -> NoReturn:
        self._say(f"{self.line}, at once{self._reason}")
        os._exit(self.code)

    def _say(self, line: str) -> None:
        """Unless it would have to wait for somebody to read what was said before."""
        with suppress(OSError, ValueError):  # the latter: there is none
            if not select.select([], [self._stderr], [], 0)[1]:
                return
            os.write(self._stderr, f"{line}\n".encode(errors="backslashreplace"))


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """A signal that falls into a finaliser would be told as a traceback, and lead nowhere."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def word(terminated: bool) -> str:
    """How people call it."""
    return "terminated" if terminated else "interrupted"
