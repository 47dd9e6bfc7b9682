# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Raise Ctrl-C at a chosen point of a program."""

from __future__ import annotations

import dis
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from bench.host.signals import Ending

_CHECKED = frozenset({"RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD", "SEND"})
"""After these instructions the interpreter checks for signals."""
_OWN = frozenset({"bench", "workloads", "contextlib.py", "threading.py", "ctypes"})


def interrupted_at(place: int, run: Callable[[], object]) -> int:
    """Let SIGINT come at the ``place``-th point of ``run`` where it can; return how many it has.

    Only points in bufbench, contextlib, threading and ctypes count.
    """
    seen = 0
    last: dict[FrameType, str] = {}
    names: dict[CodeType, dict[int, str]] = {}

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if not _OWN & set(Path(frame.f_code.co_filename).parts):
            return None
        frame.f_trace_opcodes = True
        if event in ("call", "opcode"):  # RESUME is traced as a call alone
            code = frame.f_code
            if code not in names:
                names[code] = {each.offset: each.opname for each in dis.get_instructions(code)}
            before, last[frame] = last.get(frame), names[code][frame.f_lasti]
            seen += before in _CHECKED
            if seen == place and before in _CHECKED:
                sys.settrace(None)
                handler: Any = signal.getsignal(signal.SIGINT)
                handler(signal.SIGINT, frame)
        return trace

    usual = signal.signal(signal.SIGINT, Ending()._end)
    sys.settrace(trace)
    try:
        run()
        if seen >= place > 0:
            time.sleep(5)  # the signal must come within a millisecond
    finally:
        sys.settrace(None)
        signal.signal(signal.SIGINT, usual)
        last.clear()  # breaks a reference cycle of frames and the closure
    return seen
