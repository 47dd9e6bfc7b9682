# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What storms of a duet say of wake-ups, on made-up trials."""

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
    """A duet of these arms, of eight storms."""
    config = TrialConfig(
        transport="none", budget_bytes=0, storm=Storm(count=1_000), duet=Duet(solo=solo)
    )
    sides = arms.side(first, find), arms.side(second, find)
    return compose_duet("pair", "", sides, config, 1 << 20, blocks=8, cpus=2)


def told(found: Experiment, *, raised: int) -> Duel:
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
    """Records that an arm of a made-up storm delivers."""
    ledger = trial(str(found.arms[0].name), 0).ledger
    assert ledger is not None
    return ledger.delivered


@pytest.mark.parametrize("perf_first", [False, True])
def test_what_perf_buffers_do_not_raise_is_the_ring_s(perf_first: bool) -> None:
    arms = ("perfbuf", "ringbuf") if perf_first else ("ringbuf", "perfbuf")
    found = asked(*arms)
    records = delivered(found)
    apart = told(found, raised=records + records // 4).apart
    assert apart == pytest.approx((1.0, 0.25) if perf_first else (0.25, 1.0), rel=0.01)


def test_a_watermark_raises_one_for_each_so_many() -> None:
    found = asked("ringbuf", "perfbuf:wakeup=50")
    assert found.arms[1].config.producer.wake is Wake.WATERMARK
    records = delivered(found)
    apart = told(found, raised=records // 2).apart
    assert apart == pytest.approx((0.48, 0.02), rel=0.02)


@pytest.mark.parametrize(
    ("first", "second", "solo"),
    [("ringbuf", "ringbuf", False), ("perfbuf", "perfbuf", False), ("ringbuf", "perfbuf", True)],
)
def test_they_are_told_apart_only_beside_one_whose_number_is_known(
    first: str, second: str, solo: bool
) -> None:
    assert told(asked(first, second, solo=solo), raised=500).apart is None
