# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare the error that a storm's own records give its number with how storms really scatter."""

from __future__ import annotations

from dataclasses import replace
from math import hypot, log, sqrt

import numpy as np
import pytest
from made_up_trials import trial

from bench.judge.comparison import row_of
from bench.judge.duets import latency_error, paired_ratio
from bench.judge.filing import file
from bench.judge.floor import noise_floors
from bench.judge.metrics import METRICS
from bench.judge.samples import Stretch
from bench.measure import duet, latency
from bench.plan.config import Duet
from bench.record.counters import WriteTimes
from bench.record.records import CAPTURED
from bench.trial.result import Half, TrialResult

PAIRS, RECORDS = 60, 20  # of windows; of each window
WINDOW_NS = 1_000_000


def storm(
    random: np.random.Generator, *, of_pair: float, of_window: float, effect: float = 0.0
) -> tuple[TrialResult, TrialResult]:
    """Make up the storm of a duet: logs of its latencies scatter by pair, window and record."""
    shape = (PAIRS, 2, RECORDS)
    logs = 10 + random.standard_normal(shape) * 0.5
    logs += of_pair * random.standard_normal((PAIRS, 1, 1))
    logs += of_window * random.standard_normal((PAIRS, 2, 1))
    second = np.zeros(shape, np.bool_)
    coins = random.integers(0, 2, PAIRS)
    second[np.arange(PAIRS), coins] = True
    logs[second] -= effect
    rows = np.zeros(second.size, CAPTURED)
    rows["timestamp_ns"] = 10**12 + np.arange(2 * PAIRS).repeat(RECORDS) * WINDOW_NS
    rows["delivered_ns"] = rows["timestamp_ns"] + np.exp(logs.ravel()).astype(np.uint64)
    arms = rows[~second.ravel()], rows[second.ravel()]
    ranks = duet.ranks(*arms, Duet(window_ns=WINDOW_NS))
    made = trial("ringbuf@64KiB", 0)
    found = (
        replace(
            made,
            latency=latency.measure(arm),
            half=Half(second=bool(at), key=1, swapped=False, ranks=ranks, washed_out=0),
        )
        for at, arm in enumerate(arms)
    )
    first, other = found
    return first, other


def deviations(storms: int, *, ranked: bool = True, **scatter: float) -> np.ndarray:
    """Return by how many of its errors each storm's ratio is off the mean."""
    random = np.random.default_rng(3)
    ratios, errors = [], []
    for _ in range(storms):
        arms = storm(random, **scatter)
        if not ranked:
            arms = tuple(replace(arm, half=None) for arm in arms)
        first, second = (arm.latency.p50_ns for arm in arms)
        ratios.append(log(first / second))
        errors.append(hypot(*map(latency_error, arms)))
    return (np.array(ratios) - np.mean(ratios)) / errors


@pytest.mark.parametrize(
    "scatter",
    [
        {"of_pair": 0.0, "of_window": 0.0},
        {"of_pair": 1.0, "of_window": 0.0},  # falls on both arms alike
        {"of_pair": 0.0, "of_window": 1.0},  # as if a window were one record
        {"of_pair": 0.5, "of_window": 0.5, "effect": 0.3},
    ],
)
def test_storms_scatter_by_the_error_that_their_units_give(scatter: dict[str, float]) -> None:
    assert 0.7 < sqrt(np.mean(deviations(60, **scatter) ** 2)) < 1.6  # ranks are no medians


def test_records_alone_do_not_say_that_windows_differ() -> None:
    found = deviations(60, ranked=False, of_pair=0.0, of_window=1.0)
    assert sqrt(np.mean(found**2)) > 3


def test_of_a_few_units_it_is_not_known() -> None:
    first, _ = storm(np.random.default_rng(1), of_pair=0.0, of_window=0.0)
    assert first.half is not None
    assert first.half.ranks is not None
    few = replace(first.half, ranks=replace(first.half.ranks, units=15))
    assert latency_error(replace(first, half=few)) is None
    assert latency_error(replace(first, half=few, latency=None)) is None


def storms_with_slow_writes(random: np.random.Generator, of_first: float) -> list[TrialResult]:
    """Make up 120 storms of 500 writes of some 8 us; so many of the first arm's take 150 us."""
    found = []
    for block in range(120):
        for at, arm in enumerate(("ringbuf@64KiB", "ringbuf@64KiB#2")):
            slow = 0 if at else int(random.poisson(of_first))
            quick = random.multinomial(500 - slow, [1 / 8] * 8)
            counts = (*zip(range(7_168, 9_216, 256), quick.tolist(), strict=True), (147_456, slow))
            times = WriteTimes(
                written=500,
                written_ns=0,
                refused=0,
                refused_ns=0,
                clock_ns=0.0,
                histogram=tuple(each for each in counts if each[1]),
            )
            half = Half(second=bool(at), key=1, swapped=False, ranks=None, washed_out=0)
            made = trial(arm, block)
            config = replace(made.config, duet=Duet())
            found.append(replace(made, config=config, half=half, write=times))
    return found


def test_a_duet_of_few_storms_has_no_noise_floor() -> None:
    trials = storms_with_slow_writes(np.random.default_rng(4), 2.0)
    shown = {
        storms: {each.metric for each in noise_floors(file([Stretch(trials=trials[: 2 * storms])]))}
        for storms in (3, 20)
    }
    assert shown[3].isdisjoint({"write_ns", "latency_p50_ns"})  # whose intervals have no bounds yet
    assert shown[20] >= {"write_ns", "latency_p50_ns"}


@pytest.mark.parametrize("of_first", [2.0, 4.0])
def test_the_slow_writes_of_one_arm_count_in_full(of_first: float) -> None:
    """Weigh no storm by its sharper mean: one without slow writes would hide half of them."""
    trials = storms_with_slow_writes(np.random.default_rng(4), of_first)
    left, right = file([Stretch(trials=trials)])["storm"].arms.values()
    row = row_of(next(each for each in METRICS if each.key == "write_ns"), left, right)
    assert row.estimate is not None
    quick_ns, slow_ns = 8_192, 149_504
    truth = 1 + of_first / 500 * (slow_ns / quick_ns - 1)
    assert row.estimate.low < truth < row.estimate.high
    assert row.estimate.point - 1 == pytest.approx(truth - 1, rel=0.15)


@pytest.mark.slow
def test_an_arm_against_itself_is_seldom_another_and_sharper_than_by_records_alone() -> None:
    """Look at 30 runs after each storm from the eighth on; storms scatter differently."""
    random = np.random.default_rng(2)
    wrong, halves = 0, []
    for _ in range(30):
        medians, by_units, by_records = [], [], []
        for _ in range(16):
            scatter = min(random.lognormal(-1.4, 1.2), 1.5)
            arms = storm(random, of_pair=scatter, of_window=0.7 * scatter)
            medians.append([arm.latency.p50_ns for arm in arms])
            by_units.append(hypot(*map(latency_error, arms)))
            by_records.append(hypot(*(latency_error(replace(arm, half=None)) for arm in arms)))
        first, second = zip(*medians, strict=True)
        looks = [paired_ratio(first[:n], second[:n], by_units[:n]) for n in range(8, 17)]
        wrong += any(not each.low <= 1 <= each.high for each in looks)
        records = paired_ratio(first, second, by_records)
        halves.append((looks[-1].half_width, records.half_width))
    assert wrong <= 1
    mine, its = np.median(halves, axis=0)
    assert mine < 0.8 * its
