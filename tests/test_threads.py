# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a thread ends before what it uses is closed, at whatever point Ctrl-C comes."""

from __future__ import annotations

import threading
import time

import pytest
from interrupting import interrupted_at

from bench.host.threads import beside, repeated


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
            if interrupted_at(place, run) < place:
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
    looked = threading.Event()

    def fail() -> float:
        looked.set()
        return 1 / 0

    with pytest.raises(ZeroDivisionError), repeated(fail, 0.001, name="tested"):
        assert looked.wait(60)
