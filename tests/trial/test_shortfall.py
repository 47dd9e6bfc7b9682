# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test how a storm fell short of its request, and that it is a state of its trial."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from bench.trial.assess import state_of
from bench.trial.result import Conditions, State, shortfall
from workloads.storm import Shape, Storm, StormReport

QUIET = Conditions(steal_share=0.0, load_1m=1.0, other_exits=0)
STORM = Storm(count=3_000)
BURST = Storm(shape=Shape.BURST, count=3_000, burst_size=1_000)
WHOLE = StormReport(
    made=3_002, reaped=3_002, start_ns=1, end_ns=2, exit_statuses={0: 3_002}, at_once=1_002
)


@pytest.mark.parametrize("storm", [STORM, BURST, replace(BURST, count=40)])
def test_a_storm_as_asked_for_lacks_nothing(storm: Storm) -> None:
    assert shortfall(storm, WHOLE) == ()
    assert shortfall(storm, replace(WHOLE, at_once=0)) == ()  # as in journals of before


@pytest.mark.parametrize(
    ("storm", "changes", "reason"),
    [
        (
            BURST,
            {"lowered_from": 1_002, "at_once": 54},
            "limits lowered the storm from 1,002 processes at once to 54",
        ),
        (
            BURST,
            {"lowered_from": 1_002, "at_once": 0},
            "limits lowered the storm from 1,002 processes at once",
        ),
        (
            STORM,
            {"failed": {"EAGAIN": 36, "ENOMEM": 1}},
            "processes or threads could not be made 37 times (EAGAIN 36, ENOMEM 1)",
        ),
        (
            STORM,
            {"stopped_by": "seconds", "reaped": 421},
            "its limit of 30 s stopped the storm after 421 of 3,002 processes",
        ),
        (
            STORM,
            {"stopped_by": "signal", "reaped": 421},
            "a signal stopped the storm after 421 of 3,002 processes",
        ),
        (
            STORM,
            {"exit_statuses": {0: 2_999, signal.SIGKILL: 2, signal.SIGSEGV | 0x80: 1}},
            "SIGKILL ended 2 processes of the storm",
        ),
        (
            BURST,
            {"at_once": 502},
            "at most 502 processes existed at once, not 1,002",
        ),
    ],
)
def test_each_shortfall_is_named_and_makes_the_trial_reduced(
    storm: Storm, changes: dict[str, object], reason: str
) -> None:
    lacking = shortfall(storm, replace(WHOLE, **changes))  # type: ignore[arg-type]
    assert lacking[0] == reason
    noisy = replace(QUIET, steal_share=0.9)
    state, reasons = state_of(None, noisy, lacking)
    assert state is State.REDUCED
    assert reasons == (*lacking, "90.0 % of CPU time was stolen")


def test_exit_codes_are_no_signals() -> None:
    assert (
        shortfall(STORM, replace(WHOLE, exit_statuses={code << 8: 9 for code in range(256)})) == ()
    )


def test_a_storm_that_time_is_to_end_is_ended_by_nothing_else() -> None:
    timed = replace(STORM, timed=True)
    assert shortfall(timed, replace(WHOLE, stopped_by="seconds", reaped=421)) == ()
    assert shortfall(timed, replace(WHOLE, stopped_by="signal", reaped=421))


def test_a_complaint_of_the_kernel_is_graver() -> None:
    state, reasons = state_of(None, replace(QUIET, kernel_complaints=("WARNING",)), ("lowered",))
    assert (state, reasons) == (State.INVALID, ("WARNING", "lowered"))
