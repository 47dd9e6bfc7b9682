# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test carry-over from the previous window: its size is found, or bounded where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from made_up_trials import trial

from bench.judge.filing import file
from bench.judge.samples import Stretch
from bench.judge.sharing import CarryOver, carry_over, kept
from bench.plan.config import AGES, Duet
from bench.record.counters import WriteTimes
from bench.trial.result import Half, TrialResult

WINDOW = Duet(window_ns=1_000_000, washout_ns=200_000)
CLOCK_NS = 40.0
NOISE = (1.0, 1.004, 0.997, 1.002, 0.996, 1.0, 1.003, 0.998)


def half(arm: str, block: int, factors: Sequence[float], rule: Duet) -> TrialResult:
    """Return one arm of a storm, with factors on the usual latency and write time at each age."""
    found = trial(arm, block)
    usual = NOISE[block] if arm.startswith("ringbuf") else 1.0
    return replace(
        found,
        config=replace(found.config, duet=rule),
        half=Half(
            second=arm.startswith("perfbuf"),
            key=1,
            swapped=False,
            ranks=None,
            washed_out=0,
            latency_by_age=tuple((50, round(20_000 * each * usual)) for each in factors),
        ),
        write=WriteTimes(
            written=1_000,
            written_ns=1_000_000,
            refused=0,
            refused_ns=0,
            clock_ns=CLOCK_NS,
            histogram=((1_000, 1_000),),
            by_age=tuple((50, round(50 * (5_000 * each * usual + CLOCK_NS))) for each in factors),
        ),
    )


def found(factors: Sequence[float], rule: Duet = WINDOW) -> dict[str, CarryOver]:
    """Judge eight storms whose first arm is ``factors`` times the second at each age."""
    arms = {"ringbuf@1MiB": factors, "perfbuf@1MiB": (1.0,) * AGES}
    trials = [half(arm, block, each, rule) for block in range(8) for arm, each in arms.items()]
    samples = file([Stretch(trials=trials)])["storm"].arms
    left, right = (samples[arm] for arm in arms)
    return {each.key: each for each in carry_over(left, right, (left, right))}


@pytest.mark.parametrize("key", ["latency_p50_ns", "write_ns"])
def test_what_ends_within_the_washout_is_in_the_curve_and_not_beyond(key: str) -> None:
    carried = found([0.9, 0.8, 0.7, 0.6] + [0.5] * 16)[key]
    points = [each.point for each in carried.by_age if each]
    assert points == pytest.approx([1.8, 1.6, 1.4, 1.2] + [1.0] * 16, rel=0.001)
    assert not carried.seen
    assert carried.bound < 0.001


@pytest.mark.parametrize("key", ["latency_p50_ns", "write_ns"])
def test_what_reaches_beyond_it_is_seen_with_its_size(key: str) -> None:
    carried = found([0.9] * 4 + [0.6] * 4 + [0.5] * 12)[key]
    assert carried.seen
    assert carried.beyond.point == pytest.approx(1.2, rel=0.001)


def test_levels_that_move_with_age_for_both_arms_are_none() -> None:
    falling = [2.0 - 0.05 * age for age in range(AGES)]
    arms = {"ringbuf@1MiB": falling, "perfbuf@1MiB": falling}
    trials = [half(arm, block, each, WINDOW) for block in range(8) for arm, each in arms.items()]
    samples = file([Stretch(trials=trials)])["storm"].arms
    left, right = (samples[arm] for arm in arms)
    for carried in carry_over(left, right, (left, right)):
        assert not carried.seen
        assert carried.bound < 0.02


def test_the_washout_is_rounded_up_to_whole_ages() -> None:
    assert kept(WINDOW) == range(4, AGES)
    assert kept(replace(WINDOW, washout_ns=200_001)) == range(5, AGES)
    assert kept(replace(WINDOW, washout_ns=0)) == range(AGES)


@pytest.mark.parametrize(
    "rule",
    [
        Duet(),
        Duet(solo=True),
        Duet(window_ns=1_000, washout_ns=1_000),  # a journal is foreign data
        Duet(window_ns=1_000, washout_ns=999),
    ],
)
def test_without_windows_or_anything_left_of_them_there_is_none(rule: Duet) -> None:
    assert found([1.0] * AGES, rule) == {}


def test_ages_without_a_record_are_left_out() -> None:
    arms = {"ringbuf@1MiB": (1.0,) * AGES, "perfbuf@1MiB": (1.0,) * AGES}
    trials = [half(arm, block, each, WINDOW) for block in range(8) for arm, each in arms.items()]
    for index, each in enumerate(trials):
        assert each.half is not None
        rows = ((0, 0), *each.half.latency_by_age[1:])
        trials[index] = replace(each, half=replace(each.half, latency_by_age=rows))
    samples = file([Stretch(trials=trials)])["storm"].arms
    left, right = (samples[arm] for arm in arms)
    latencies, _ = carry_over(left, right, (left, right))
    assert latencies.by_age[0] is None
    assert latencies.by_age[1] is not None
