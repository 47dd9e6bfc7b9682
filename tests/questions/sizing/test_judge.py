# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Choose what to try next and what to recommend, on made-up storms whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from made_up_trials import trial

from bench.plan.budgets import KIB, label
from bench.questions.sizing.judge import (
    Sizing,
    around_the_edge,
    exits_per_s,
    next_rung,
    next_to_scan,
    sizing,
)
from bench.trial.result import State, TrialResult

RUNGS = tuple((4 * KIB) << power for power in range(6))  # 4 to 128 KiB


def storms(kib: int, lossy: int, of: int, *, dropped: int = 10) -> list[TrialResult]:
    return [
        trial(f"ringbuf@{label(kib * KIB)}", block, dropped=dropped if block < lossy else 0)
        for block in range(of)
    ]


def seen(*trials: list[TrialResult], tolerated: float = 0.0, margin: float = 2.0) -> Sizing:
    flat = [each for group in trials for each in group]
    return sizing("ringbuf", flat, RUNGS, tolerated=tolerated, margin=margin)


def test_the_scan_goes_up_until_two_rungs_in_a_row_are_clean() -> None:
    scanned: list[list[TrialResult]] = []
    for kib, lossy in ((4, 4), (8, 4), (16, 0), (32, 1), (64, 0), (128, 0)):
        assert next_to_scan(seen(*scanned)) == kib * KIB
        scanned.append(storms(kib, lossy, 4))
    assert next_to_scan(seen(*scanned)) is None


def test_the_scan_ends_where_sizes_end() -> None:
    assert next_to_scan(seen(*(storms(4 << power, 4, 4) for power in range(6)))) is None


def test_storms_go_to_the_rungs_around_the_last_that_lost() -> None:
    scanned = [storms(4, 4, 4), storms(8, 4, 4), storms(16, 0, 4), storms(32, 1, 4)]
    scanned += [storms(64, 0, 4), storms(128, 0, 4)]
    assert around_the_edge(seen(*scanned)) == (16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB)
    assert around_the_edge(seen(storms(4, 0, 4), storms(8, 0, 4))) == (4 * KIB, 8 * KIB)
    hopeless = [storms(4 << power, 4, 4) for power in range(6)]
    assert around_the_edge(seen(*hopeless)) == (64 * KIB, 128 * KIB)


def test_minimum_and_recommendation() -> None:
    found = seen(storms(8, 24, 24), storms(16, 1, 24), storms(32, 0, 24), storms(64, 0, 24))
    assert (found.minimum_bytes, found.recommended_bytes) == (32 * KIB, 64 * KIB)
    assert not found.at_least_size
    assert found.soft is None
    assert next_rung(found) is None
    lost = {each.budget_bytes: each.own_dropped_share for each in found.rungs}
    assert lost == {8 * KIB: 0.01, 16 * KIB: 10 / 24_000, 32 * KIB: 0, 64 * KIB: 0}


def test_a_margin_is_rounded_up_to_a_size_that_exists() -> None:
    trials = (storms(16, 0, 20), storms(32, 0, 20))
    assert seen(*trials, margin=1.0).recommended_bytes == 16 * KIB
    assert seen(*trials, margin=1.1).recommended_bytes == 32 * KIB
    assert seen(*trials, margin=2.5).recommended_bytes == 64 * KIB
    assert seen(*trials, margin=64.0).recommended_bytes == 128 * KIB  # there is no larger


def test_what_is_recommended_is_tried_first() -> None:
    trials = [storms(16, 1, 24), storms(32, 0, 24)]
    assert next_rung(seen(*trials)) == 64 * KIB
    assert next_rung(seen(*trials, storms(64, 0, 20))) is None
    # It lost: the minimum lies above it after all.
    assert next_rung(seen(*trials, storms(64, 1, 20))) == 128 * KIB


def test_the_rung_below_the_minimum_gets_its_storms_too() -> None:
    clean = [storms(32, 0, 24), storms(64, 0, 24), storms(128, 0, 24)]
    assert next_rung(seen(storms(16, 1, 4), *clean)) == 16 * KIB
    assert next_rung(seen(storms(16, 1, 24), *clean)) is None


def test_where_the_largest_loses_there_is_no_minimum() -> None:
    found = seen(storms(64, 20, 20), storms(128, 1, 24))
    assert (found.minimum_bytes, found.recommended_bytes) == (None, None)
    assert next_rung(found) is None
    assert next_rung(seen(storms(32, 24, 24), storms(64, 1, 24))) == 128 * KIB


def test_the_least_size_is_known_as_such() -> None:
    found = seen(storms(4, 0, 24), storms(8, 0, 24))
    assert found.minimum_bytes == 4 * KIB
    assert found.at_least_size
    assert found.soft is None  # there is no quarter of it


def test_an_edge_that_chance_decides_is_soft() -> None:
    above = [storms(16, 1, 24), storms(32, 0, 24), storms(64, 0, 24)]
    soft = seen(storms(8, 11, 24), *above).soft
    assert soft is not None
    assert (soft.budget_bytes, soft.lossy) == (8 * KIB, 11)
    assert seen(storms(8, 12, 24), *above).soft is None


def test_tolerated_loss_counts_by_storm() -> None:
    trials = (storms(16, 20, 20, dropped=10), storms(32, 0, 20))
    assert seen(*trials).minimum_bytes == 32 * KIB
    assert seen(*trials, tolerated=0.01).minimum_bytes == 16 * KIB
    assert seen(*trials, tolerated=0.009).minimum_bytes == 32 * KIB


def test_invalid_storms_and_other_transports_count_in_nothing() -> None:
    others = [
        trial("ringbuf@32KiB", 50, dropped=9, state=State.INVALID),
        trial("perfbuf@32KiB", 0, dropped=9),
    ]
    found = seen(storms(32, 0, 20), others)
    assert [(rung.trials, rung.lossy) for rung in found.rungs] == [(20, 0)]
    assert seen(storms(32, 0, 19), others).minimum_bytes is None


def noisy(trials: list[TrialResult]) -> list[TrialResult]:
    return [replace(each, state=State.NOISY) for each in trials]


def crowded(trials: list[TrialResult], others: int) -> list[TrialResult]:
    return [
        replace(each, conditions=replace(each.conditions, other_exits=others)) for each in trials
    ]


@pytest.mark.parametrize("disturb", [noisy, lambda trials: crowded(trials, 51)])
def test_disturbed_storms_are_left_out_where_enough_others_are(
    disturb: Callable[[list[TrialResult]], list[TrialResult]],
) -> None:
    found = seen(storms(32, 0, 20), disturb(storms(32, 4, 4)))
    assert (found.minimum_bytes, found.disturbed_storms) == (32 * KIB, 0)
    found = seen(storms(32, 0, 19), disturb(storms(32, 4, 4)))
    assert (found.minimum_bytes, found.disturbed_storms) == (None, 4)


def test_a_few_exits_of_others_disturb_nothing() -> None:
    assert seen(storms(32, 0, 20), crowded(storms(32, 1, 1), 50)).minimum_bytes is None


def test_the_rate_is_what_the_storms_made() -> None:
    assert exits_per_s(storms(32, 0, 3)) == 10_000.0  # 1,000 in 100 ms
    assert exits_per_s([]) == 0.0
