# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A thread beside the caller has ended before what it uses is closed, wherever Ctrl-C comes."""

from __future__ import annotations

import dis
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import pytest

from bench.host.signals import Ending
from bench.host.threads import beside, repeated

_CHECKED = frozenset({"RESUME", "CALL", "CALL_FUNCTION_EX", "JUMP_BACKWARD", "SEND"})
"""After these instructions the interpreter looks whether a signal came."""


def interrupted_at(place: int, run: Callable[[], object]) -> bool:
    """Let SIGINT come at the ``place``-th point of ``run`` where it can; false if there is none."""
    seen = 0
    last: dict[FrameType, str] = {}
    names: dict[CodeType, dict[int, str]] = {}

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        frame.f_trace_opcodes = True
        if event == "opcode":
            code = frame.f_code
            if code not in names:
                names[code] = {each.offset: each.opname for each in dis.get_instructions(code)}
            before, last[frame] = last.get(frame), names[code][frame.f_lasti]
            seen += before in _CHECKED
            if seen == place:
                sys.settrace(None)
                handler: Any = signal.getsignal(signal.SIGINT)
                handler(signal.SIGINT, frame)
        return trace

    usual = signal.signal(signal.SIGINT, Ending()._end)
    sys.settrace(trace)
    try:
        run()
        if seen >= place:
            time.sleep(5)  # it is to come within a millisecond
    finally:
        sys.settrace(None)
        signal.signal(signal.SIGINT, usual)
    return seen >= place


def test_wherever_ctrl_c_comes_the_thread_ends_first() -> None:
    for place in range(1, 10_000):
        states: list[str] = []
        over = threading.Event()

        def body(states: list[str] = states, over: threading.Event = over) -> None:
            over.wait()
            time.sleep(0.001)
            states.append("ended")

        def run(states: list[str] = states, over: threading.Event = over) -> None:
            with beside(body, name="tested", stop=over.set):
                states.append("inside")

        came = False
        try:
            if not interrupted_at(place, run):
                break
        except KeyboardInterrupt:
            came = True
        states.append("left")
        over.set()
        for each in threading.enumerate():
            if each.name == "tested":
                each.join()
        assert came, f"Ctrl-C was lost at {place}"
        assert states[-1] == "left", f"the thread outlived its context at {place}: {states}"
    assert place > 50
    assert states == ["inside", "ended"]


def test_its_result_and_its_error_are_the_callers() -> None:
    with beside(lambda: 7, name="tested") as running:
        assert running.result() == 7
        assert running.wait(0)
    with pytest.raises(ZeroDivisionError), beside(lambda: 1 / 0, name="tested"):
        pass
    with pytest.raises(ZeroDivisionError), beside(lambda: 1 / 0, name="tested") as running:
        running.result()
    with pytest.raises(ValueError, match="first"), beside(lambda: 1 / 0, name="tested"):
        raise ValueError("first")


def test_it_is_waited_for_until_it_stops() -> None:
    over = threading.Event()
    with beside(over.wait, name="tested", stop=over.set) as running:
        assert not running.wait(0.01)
    assert running.result() is True


def test_a_repeated_look_that_fails_is_reported() -> None:
    with pytest.raises(ZeroDivisionError), repeated(lambda: 1 / 0, 0.001, name="tested"):
        time.sleep(0.05)
