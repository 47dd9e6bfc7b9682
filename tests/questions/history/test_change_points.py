# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test change points: few false alarms, and those that there are at their places."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from bench.questions.history import changepoints
from bench.questions.history.changepoints import FEWEST_RUNS, Floats, splits

RANDOM = np.random.default_rng(14)


def always(_key: object, _before: slice, _after: slice) -> bool:
    return True


def places(**series: Floats) -> dict[str, list[int]]:
    return {key: [each.at for each in found] for key, found in splits(series, always).items()}


def noise(count: int = 30) -> Floats:
    return RANDOM.normal(size=count)


def heavy(count: int = 30) -> Floats:
    """Draw values with an outlier now and then, as of runs that something else disturbed."""
    return RANDOM.standard_t(1.5, size=count)


def rare(count: int = 30) -> Floats:
    """Draw values that are 0 but for a few, as drops often are."""
    return (RANDOM.random(count) < 0.08) * RANDOM.random(count)


@pytest.mark.parametrize("made", [noise, heavy, rare])
def test_of_200_flat_series_at_most_5_percent_are_called_changed(made: object) -> None:
    alarms = sum(bool(places(alone=made())["alone"]) for _ in range(200))  # type: ignore[operator]
    # Of a rate of 5 %, 18 or more come in one of a hundred tries.
    assert alarms < 18


def test_of_200_flat_series_of_one_history_none_is_called_changed() -> None:
    histories = [splits({at: noise() for at in range(200)}, always) for _ in range(5)]
    assert sum(any(found.values()) for found in histories) <= 1


def test_a_step_is_found_where_it_is() -> None:
    series = {f"flat{at}": noise(60) for at in range(100)}
    stepped = noise(60)
    stepped[37:] += 8
    found = places(**series, stepped=stepped)
    assert found.pop("stepped") == [37]
    assert not any(found.values())


def test_three_runs_are_enough_for_a_large_step_among_100_numbers() -> None:
    stepped = noise(60)
    stepped[-3:] += 15
    assert places(**{f"flat{at}": noise(60) for at in range(99)}, stepped=stepped)["stepped"] == [
        57
    ]


def test_fewer_runs_than_seven_show_no_step() -> None:
    for count in (FEWEST_RUNS - 1, FEWEST_RUNS):
        stepped = np.repeat([0.0, 100.0], [3, count - 3])
        assert bool(places(stepped=stepped)["stepped"]) == (count == FEWEST_RUNS)


def test_several_steps_are_found_up_and_down() -> None:
    stepped = noise(90)
    stepped[20:50] += 8
    stepped[70:] -= 8
    assert places(stepped=stepped)["stepped"] == [20, 50, 70]


def test_outliers_are_no_change() -> None:
    disturbed = noise(40)
    disturbed[[11, 39]] += 1_000
    assert places(disturbed=disturbed)["disturbed"] == []


def test_too_short_or_constant_is_no_change() -> None:
    assert places(short=np.array([0, 0, 9, 9, 9.0]), constant=np.ones(50), none=np.array([])) == {
        "short": [],
        "constant": [],
        "none": [],
    }


def test_what_is_within_the_noise_is_not_split() -> None:
    stepped = noise(60)
    stepped[30:] += 8
    assert splits({"it": stepped}, lambda *_: False) == {"it": ()}


def test_p_is_that_of_all_permutations() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 7.0, 8.0, 9.5])
    scores = changepoints._clipped(values)
    least = changepoints._differences(scores[np.newaxis]).max() * (1 - 1e-5)
    every = changepoints._differences(np.array(list(permutations(scores)))).max(axis=1)
    chance = changepoints._by_chance(scores, 50_000)
    assert np.mean(chance >= least) == pytest.approx(np.mean(every >= least), rel=0.1)


def test_the_bound_is_one() -> None:
    for scores in (changepoints._clipped(made(25)) for made in (noise, heavy, rare)):
        chance = changepoints._by_chance(scores, 5_000)
        for difference in np.quantile(chance, [0.5, 0.9, 0.99, 0.999]):
            share = np.mean(chance >= difference)
            assert changepoints._bound(scores, float(difference)) >= share
