# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that intervals over made-up fleets cover at their level, and outliers are found."""

from __future__ import annotations

from math import inf, log, sqrt

import numpy as np
import pytest

from bench.questions.fleet.meta import Effect, apart, difference, effect, pool

FLEETS = 400
TRUE = log(0.9)


def fleet(
    random: np.random.Generator, machines: int, between: float, errors: tuple[float, float]
) -> list[Effect]:
    """Draw machines whose true effects scatter, each measured with an error of its own."""
    own = random.uniform(*errors, machines)
    values = random.normal(TRUE, between, machines) + random.normal(0, own)
    return [Effect(float(value), float(error)) for value, error in zip(values, own, strict=True)]


@pytest.mark.parametrize("machines", [4, 11, 40])
@pytest.mark.parametrize("between", [0.0, 0.05, 0.2])
def test_the_mean_s_interval_covers_at_its_level(machines: int, between: float) -> None:
    random = np.random.default_rng(machines)
    covered = sum(
        found.low <= TRUE <= found.high
        for found in (pool(fleet(random, machines, between, (0.01, 0.1))) for _ in range(FLEETS))
    )
    # Of a binomial at 95 %, four standard deviations below; never narrower than by chance alone.
    assert covered >= FLEETS * 0.95 - 4 * sqrt(FLEETS * 0.95 * 0.05)


@pytest.mark.parametrize("machines", [8, 40])
def test_the_next_machine_lies_where_it_is_said_to(machines: int) -> None:
    random = np.random.default_rng(machines)
    inside = 0
    for _ in range(FLEETS):
        found = pool(fleet(random, machines, 0.1, (0.02, 0.1)))
        inside += found.next_low <= random.normal(TRUE, 0.1) <= found.next_high
    assert inside >= FLEETS * 0.95 - 5 * sqrt(FLEETS * 0.95 * 0.05)
    assert inside < FLEETS  # not because it is infinitely wide


def test_machines_that_agree_have_no_variance_between_them() -> None:
    found = pool([Effect(0.1, 0.05), Effect(0.11, 0.05), Effect(0.09, 0.05)])
    assert found.between == 0
    assert found.inconsistency == 0
    assert found.centre == pytest.approx(0.1)


def test_machines_that_differ_beyond_chance_do() -> None:
    found = pool([Effect(0.0, 0.01), Effect(0.5, 0.01), Effect(1.0, 0.01), Effect(0.4, 0.01)])
    assert found.between == pytest.approx(np.std([0.0, 0.5, 1.0, 0.4], ddof=1), rel=0.05)
    assert found.inconsistency > 0.99


def test_two_machines_say_nothing_of_a_third() -> None:
    found = pool([Effect(0.1, 0.05), Effect(0.2, 0.05)])
    assert (found.next_low, found.next_high) == (-inf, inf)
    assert pool([Effect(0.1, 0.05)]).low == pytest.approx(0.1 - 1.96 * 0.05, abs=1e-3)


def test_a_machine_unlike_199_others_is_found_and_no_other() -> None:
    random = np.random.default_rng(7)
    machines = fleet(random, 200, 0.05, (0.01, 0.05))
    machines[123] = Effect(TRUE + 1.0, 0.02)
    assert apart(machines) == [123]


def test_machines_that_are_alike_are_seldom_called_unlike() -> None:
    random = np.random.default_rng(8)
    fleets = FLEETS // 4  # each takes a fit for every machine in it
    false = sum(bool(apart(fleet(random, 20, 0.05, (0.01, 0.05)))) for _ in range(fleets))
    assert false <= fleets * 0.05 + 4 * sqrt(fleets * 0.05 * 0.95)


def test_a_fact_that_goes_with_a_difference() -> None:
    random = np.random.default_rng(9)
    those = [Effect(each.centre + 0.3, each.error) for each in fleet(random, 8, 0.05, (0.02, 0.05))]
    others = fleet(random, 12, 0.05, (0.02, 0.05))
    first, second, p = difference(those, others)
    assert first.centre - second.centre == pytest.approx(0.3, abs=0.1)
    assert p < 1e-4


def test_facts_that_do_not_matter_are_seldom_said_to() -> None:
    random = np.random.default_rng(10)
    false = sum(
        difference(fleet(random, 5, 0.1, (0.02, 0.1)), fleet(random, 9, 0.1, (0.02, 0.1)))[2] < 0.05
        for _ in range(FLEETS)
    )
    assert false <= FLEETS * 0.05 + 4 * sqrt(FLEETS * 0.05 * 0.95)


def test_an_effect_s_error_is_that_of_its_interval() -> None:
    assert effect(0.0, -0.196, 0.196, least_error=0.001).error == pytest.approx(0.1, rel=1e-3)
    assert effect(0.0, 0.0, 0.0, least_error=0.002).error == 0.002
