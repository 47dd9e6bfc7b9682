# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a trial ended by Ctrl-C leaves no thread that would read unmapped memory."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable

import pytest
from interrupting import interrupted_at
from trials import KIB, STORMS

from bench.plan.arms import compose_duet, side
from bench.plan.config import Duet, TrialConfig
from bench.tracer.transports import find
from bench.trial.duet import run_duet
from bench.trial.rig import Rig
from bench.trial.run import Slot
from workloads.storm import Shape

pytestmark = [pytest.mark.live, pytest.mark.slow]

POINTS = 24


def ended(point: int, play: Callable[[], None]) -> int:
    """Interrupt ``play`` in a process of its own; return its exit code.

    0: it was interrupted, and no thread is left; 4: it was over sooner.
    """
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        code = 4 if interrupted_at(point, play) < point else 3  # over sooner, or Ctrl-C was lost
    except KeyboardInterrupt:
        others = set(threading.enumerate()) - {threading.current_thread()}
        for each in others:
            each.join(1)  # one that is over may still be ending
        code = 2 if any(each.is_alive() for each in others) else 0
    except BaseException:  # noqa: BLE001  the child must not return to pytest
        traceback.print_exc()
    finally:
        os._exit(code)


def test_wherever_ctrl_c_comes_no_thread_is_left(rig: Rig) -> None:
    sides = side("ringbuf", find), side("perfbuf", find)
    config = TrialConfig(transport="none", budget_bytes=0, storm=STORMS[Shape.TRICKLE], duet=Duet())
    cpus = len(os.sched_getaffinity(0))
    arms = compose_duet("test", "", sides, config, 256 * KIB, blocks=1, cpus=cpus).arms

    def play() -> None:
        run_duet(rig, arms, Slot(experiment="test", block=0, position=0), seed=1)

    play()  # compiles the programs
    points = interrupted_at(0, play)
    codes = {point: ended(point, play) for point in range(1, points, points // POINTS)}
    assert set(codes.values()) <= {0, 4}, codes
    assert sum(code == 0 for code in codes.values()) > POINTS // 2, codes
