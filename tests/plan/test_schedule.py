# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what of the matrix profile fits into a guest's time: known before, and nothing is cut."""

from __future__ import annotations

import pytest

from bench.plan.experiments import LADDER_STORMS
from bench.questions.kernels import profile, schedule
from bench.questions.kernels.profile import Setting
from bench.questions.kernels.schedule import Schedule, fitted

LEFT_S = 290.0
RATES_PER_S = (30.0, 60.0, 100.0, 150.0, 200.0, 280.0, 550.0, 800.0, 8_000.0)


def planned(rate_per_s: float, left_s: float = LEFT_S, **more: float) -> Schedule:
    on = Setting(rate_per_s=rate_per_s, cpus=2)
    return fitted(profile.experiments(on), on, left_s, **more)


def names(found: Schedule) -> list[str]:
    return [each.name for each in found.experiments]


def test_every_experiment_has_its_importance() -> None:
    on = Setting(rate_per_s=800.0, cpus=2)
    assert {*schedule.IMPORTANCE} == {each.name for each in profile.experiments(on)}


@pytest.mark.parametrize("rate_per_s", RATES_PER_S)
def test_what_is_planned_fits_and_the_rest_is_named(rate_per_s: float) -> None:
    found = planned(rate_per_s)
    assert found.seconds <= LEFT_S or names(found) == ["storm"]
    assert {*names(found), *found.left_out} == {*schedule.IMPORTANCE}
    assert all(name in found.words for name in found.left_out)


@pytest.mark.parametrize("rate_per_s", RATES_PER_S)
def test_no_experiment_has_fewer_blocks_than_a_verdict_takes(rate_per_s: float) -> None:
    for each in planned(rate_per_s).experiments:
        assert each.blocks >= (
            LADDER_STORMS
            if each.name == "memory-spread"
            else (2 if each.name == "torn" else profile.BLOCKS)
        )


def test_a_guest_of_usual_speed_has_time_for_all() -> None:
    for rate_per_s in (700.0, 1_000.0, 8_000.0):
        assert planned(rate_per_s).left_out == ()
    assert [each.blocks for each in planned(8_000.0).experiments] == [
        *(8, 8, 16, 16, 8, 8, 8, 20, 8, 2)
    ]


def test_a_slow_guest_keeps_order_and_the_ladder() -> None:
    kept = names(planned(230.0))
    assert {"storm", "chain", "memory-spread"} <= {*kept}
    assert len(kept) < len(schedule.IMPORTANCE)


@pytest.mark.parametrize("rate_per_s", RATES_PER_S)
def test_more_time_leaves_out_no_more(rate_per_s: float) -> None:
    seconds = [planned(rate_per_s, left_s).seconds for left_s in (100.0, 200.0, 400.0, 4_000.0)]
    assert seconds == sorted(seconds)
    assert planned(rate_per_s, 4_000.0).left_out == ()


def test_blocks_go_before_experiments_do() -> None:
    """Of duets half their storms serve; of nothing else any."""
    whole = planned(800.0, 4_000.0)
    short = planned(800.0, whole.seconds - 15)
    assert short.left_out == ()
    pairs = zip(whole.experiments, short.experiments, strict=True)
    shortened = {one.name for one, two in pairs if two.blocks < one.blocks}
    assert shortened == {"storm-duet", "trickle-duet"}


def test_a_guest_that_is_slower_than_expected_plans_for_it() -> None:
    usual, slow = planned(800.0), planned(800.0, slowness=2.0)
    assert slow.seconds <= LEFT_S
    assert len(slow.left_out) > len(usual.left_out)


@pytest.mark.parametrize(
    ("rate_per_s", "experiment", "took_s"),
    [
        (725, "storm", 46), (1_020, "storm", 44), (547, "storm", 56),
        (725, "chain", 49), (1_020, "chain", 39), (868, "chain", 49),
        (725, "memory-spread", 53), (1_020, "memory-spread", 39), (282, "memory-spread", 72),
        (725, "memory-onecpu", 22), (868, "memory-onecpu", 16),
        (725, "storm-noise", 26), (1_020, "storm-noise", 48), (547, "storm-noise", 22),
    ],
)  # fmt: skip
def test_what_it_expects_is_what_kernels_took(
    rate_per_s: float, experiment: str, took_s: float
) -> None:
    """Take the journals of 2026-11-25: 5.10, 6.1, 6.12, 6.18 and 7.3, emulated."""
    on = Setting(rate_per_s=rate_per_s, cpus=2)
    (found,) = (each for each in profile.experiments(on) if each.name == experiment)
    assert took_s / 1.6 < schedule.seconds(found, on) < took_s * 1.6
