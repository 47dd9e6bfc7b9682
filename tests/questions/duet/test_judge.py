# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Attribute the wake-ups in storms of a duet to its arms, on made-up trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from made_up_trials import trial

from bench.plan import arms
from bench.plan.arms import compose_duet
from bench.plan.config import Duet, TrialConfig, Wake
from bench.plan.experiments import Experiment
from bench.questions.duet.judge import Duel, judge
from bench.tracer.transports import find
from bench.trial.result import Half, TrialResult
from workloads.storm import Storm

HALF = Half(second=False, key=1, swapped=False, ranks=None, washed_out=0)


def asked(first: str, second: str, *, solo: bool = False) -> Experiment:
    """Return a duet of these arms, of eight storms."""
    config = TrialConfig(
        transport="none", budget_bytes=0, storm=Storm(count=1_000), duet=Duet(solo=solo)
    )
    sides = arms.side(first, find), arms.side(second, find)
    return compose_duet("pair", "", sides, config, 1 << 20, blocks=8, cpus=2)


def judged(found: Experiment, *, raised: int) -> Duel:
    """Judge eight storms in which that many wake-ups were raised, by both arms together."""
    trials: Sequence[TrialResult] = [
        replace(
            trial(str(arm.name), block, experiment="pair"),
            arm=arm.name,
            config=arm.config,
            half=replace(HALF, second=bool(index), wakeups_raised=raised),
        )
        for block in range(8)
        for index, arm in enumerate(found.arms)
    ]
    return judge(found, trials)


def delivered(found: Experiment) -> int:
    """Return how many records an arm of a made-up storm delivers."""
    ledger = trial(str(found.arms[0].name), 0).ledger
    assert ledger is not None
    return ledger.delivered


@pytest.mark.parametrize("perf_first", [False, True])
def test_wake_ups_beyond_those_of_perf_buffers_are_the_ring_s(perf_first: bool) -> None:
    arms = ("perfbuf", "ringbuf") if perf_first else ("ringbuf", "perfbuf")
    found = asked(*arms)
    records = delivered(found)
    apart = judged(found, raised=records + records // 4).apart
    assert apart == pytest.approx((1.0, 0.25) if perf_first else (0.25, 1.0), rel=0.01)


def test_a_watermark_raises_one_wake_up_for_as_many_records() -> None:
    found = asked("ringbuf", "perfbuf:wakeup=50")
    assert found.arms[1].config.producer.wake is Wake.WATERMARK
    records = delivered(found)
    apart = judged(found, raised=records // 2).apart
    assert apart == pytest.approx((0.48, 0.02), rel=0.02)


@pytest.mark.parametrize(
    ("first", "second", "solo"),
    [("ringbuf", "ringbuf", False), ("perfbuf", "perfbuf", False), ("ringbuf", "perfbuf", True)],
)
def test_arms_are_separated_only_where_the_number_of_one_is_known(
    first: str, second: str, solo: bool
) -> None:
    assert judged(asked(first, second, solo=solo), raised=500).apart is None
