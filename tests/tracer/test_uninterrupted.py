# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

from __future__ import annotations

import os
import signal

import pytest

from bench.host.signals import uninterrupted


def interrupted_work(done: list[str], failure: Exception | None = None) -> None:
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("whole")
        if failure:
            raise failure


def test_ctrl_c_counts_once_what_is_begun_is_done() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted_work(done)
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_not_lost_where_the_block_fails() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted_work([], ValueError("first"))
    assert isinstance(caught.value.__context__, ValueError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_is_held_back_too() -> None:
    seen: list[str] = []

    def note(number: int, _: object) -> None:
        seen.append(f"signal {number}")

    before = signal.signal(signal.SIGTERM, note)
    try:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            seen.append("whole")
        assert seen == ["whole", f"signal {signal.SIGTERM}"]
        assert signal.getsignal(signal.SIGTERM) is note
    finally:
        signal.signal(signal.SIGTERM, before)
