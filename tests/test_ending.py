# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Send Ctrl-C and SIGTERM to processes made for the purpose, which are hard to end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

FRAME = """
import sys, time
from bench.host.signals import Ending

ending = Ending()

def ready():
    print("ready", flush=True)

try:
    ending.install()
{body}
except KeyboardInterrupt as asked:
    ending.leave(asked)
"""
CLOSES = """
    try:
        ready()
        time.sleep(60)
    finally:
        print("closed", flush=True)
"""
NEVER_CLOSES = """
    try:
        ready()
        time.sleep(60)
    finally:
        time.sleep(60)
"""
KNOWS_MORE = """
    try:
        ready()
        time.sleep(60)
    except KeyboardInterrupt as asked:
        asked.args = ("7 trials are safe",)
        raise
"""
IN_A_FINALISER = """
    class Closing:
        def __del__(self):
            ready()
            time.sleep(1)
    while True:
        Closing()
"""

IN_THREADING = """
    import os, threading
    with threading._shutdown_locks_lock if sys.version_info < (3, 13) else threading.Lock():
        ready()
        os.kill(os.getpid(), 2)
        time.sleep(60)
"""
BOTH = """
    import os
    ready()
    os.kill(os.getpid(), 15)
    os.kill(os.getpid(), 2)
    time.sleep(60)
"""
TOO_LATE = """
    import atexit, os
    @atexit.register
    def _():
        os.kill(os.getpid(), 2)
        os.kill(os.getpid(), 15)
        time.sleep(0.1)
    sys.exit(ending.settle(1))
"""
UNHEARD = """
    import os
    class Closing:
        def __del__(self):
            os.kill(os.getpid(), 15)
            time.sleep(0.1)
    Closing()
    sys.exit(ending.settle(0))
"""
HELD_BACK = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
os.kill(os.getpid(), signal.SIGINT)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


NO_THREAD = f"""
    import _thread
    def none(*_): raise RuntimeError("can't start new thread")
    _thread.start_new_thread = none
{NEVER_CLOSES}
"""


def ended_by(number: signal.Signals, body: str, *, times: int = 1) -> tuple[int, str, str, float]:
    """Return exit code, output, errors and seconds after the first signal; a hang fails."""
    with subprocess.Popen(
        [sys.executable, "-c", FRAME.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        began_s = time.monotonic()
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.05)
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err, time.monotonic() - began_s


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("times", [1, 3])
def test_what_is_open_is_closed_however_often_it_is_asked(
    number: signal.Signals, times: int
) -> None:
    code, out, err, _ = ended_by(number, CLOSES, times=times)
    assert (code, out) == (CODES[number], "closed\n")
    assert err == f"bufbench: {'interrupted' if number is signal.SIGINT else 'terminated'}\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("body", [NEVER_CLOSES, NO_THREAD], ids=["", "no-thread"])
def test_what_does_not_close_is_left_to_the_kernel(number: signal.Signals, body: str) -> None:
    code, _, err, seconds = ended_by(number, body)
    assert code == CODES[number]
    assert err.endswith(", at once\n")
    assert len(err.splitlines()) == 1
    assert seconds > 1


def test_who_knows_more_says_it() -> None:
    assert ended_by(signal.SIGINT, KNOWS_MORE)[:3] == (130, "", "7 trials are safe\n")


def test_one_that_falls_into_a_finaliser_is_not_lost() -> None:
    code, _, err, _ = ended_by(signal.SIGTERM, IN_A_FINALISER)
    assert (code, err) == (143, "bufbench: terminated, at once\n")


def test_one_that_falls_into_the_end_of_a_thread_does_not_lock_up() -> None:
    code, _, err, _ = ended_by(signal.SIGINT, IN_THREADING)
    assert (code, err) == (130, "bufbench: interrupted\n")


def test_both_at_once_count_as_the_first() -> None:
    code, _, err, _ = ended_by(signal.SIGTERM, BOTH)
    assert (code, err) == (143, "bufbench: terminated\n")


def test_held_back_by_the_parent_it_comes_in_time() -> None:
    block = [sys.executable, "-c", HELD_BACK, FRAME.format(body=CLOSES)]
    done = subprocess.run(block, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (130, "bufbench: interrupted\n")


def test_a_final_exit_code_is_not_changed_any_more() -> None:
    assert at_its_own(TOO_LATE) == (1, "")


def test_a_swallowed_signal_is_reported_at_the_end() -> None:
    assert at_its_own(UNHEARD) == (143, "bufbench: terminated\n")


def at_its_own(body: str) -> tuple[int, str]:
    """Return exit code and errors of a process that ends by itself."""
    python = [sys.executable, "-c", FRAME.format(body=body)]
    done = subprocess.run(python, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def test_before_there_is_a_handler_it_ends_without_a_traceback() -> None:
    source = (
        "import os, signal\nfrom bench.cli import enter\nfrom bench.host import interpreter\n"
        "interpreter.isolate = lambda: os.kill(os.getpid(), signal.SIGINT)\nenter(print)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", source], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
