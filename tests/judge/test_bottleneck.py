# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Work the rule out by hand: a consumer on its CPU 97 % of the storm had no time to spare."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_trials import trial

from bench.judge.columns import Columns
from bench.judge.comparison import Bottleneck, bottleneck, usual
from bench.measure.cost import Occupancy
from bench.trial.result import TrialResult


def lossy(dropped: int, idle_share: float) -> TrialResult:
    made = trial("ringbuf@64KiB", 0, dropped=dropped)
    return replace(
        made,
        occupancy=Occupancy(
            samples=10, p50_share=0.5, p99_share=1.0, max_share=1.0, consumer_idle_share=idle_share
        ),
    )


@pytest.mark.parametrize(
    ("dropped", "idle_share", "expected"),
    [
        (0, 0.0, Bottleneck.NONE),
        (100, 0.03, Bottleneck.CONSUMER),
        (100, 0.97, Bottleneck.BUFFER),
    ],
)
def test_what_was_short(dropped: int, idle_share: float, expected: Bottleneck) -> None:
    assert bottleneck(lossy(dropped, idle_share)) is expected


def test_trials_that_lost_nothing_have_no_say() -> None:
    trials = [lossy(0, 0.5)] * 5 + [lossy(10, 0.01)] * 2 + [lossy(10, 0.8)]
    for some, expected in ((trials, Bottleneck.CONSUMER), (trials[:1], Bottleneck.NONE)):
        columns = Columns(some)
        numbers = (columns.number(key) for key in ("own_dropped", "consumer_busy_share"))
        assert usual(*numbers) is expected
