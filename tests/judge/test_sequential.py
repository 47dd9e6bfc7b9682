# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Intervals that hold at every look: their error rate, their width, and the verdicts."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import nct, norm, t

from bench.judge.sequential import Ratio, Verdict, half_width, narrow, ratio

PRIOR = 1 / 3


@pytest.mark.parametrize("count", [8, 12, 24, 60])
def test_the_bound_is_where_the_bayes_factor_of_a_t_test_is_twenty(count: int) -> None:
    at = half_width(1.0, count) * sqrt(count)  # t, for values of deviation 1
    effect = quad(
        lambda d: nct.pdf(at, count - 1, d * sqrt(count)) * norm.pdf(d, scale=sqrt(PRIOR)), -6, 6
    )[0]
    assert effect / t.pdf(at, count - 1) == pytest.approx(20, rel=1e-3)


@pytest.mark.parametrize("tail", [None, 4])
def test_whoever_looks_after_every_storm_is_wrong_in_one_run_of_twenty_at_most(
    tail: int | None,
) -> None:
    random = np.random.default_rng(7)
    runs, looks = 2_000, 80
    shape = (runs, looks)
    values = random.standard_normal(shape) if tail is None else random.standard_t(tail, shape)
    counts = np.arange(1, looks + 1)
    means = np.cumsum(values, axis=1) / counts
    squares = np.cumsum(values**2, axis=1) - counts * means**2
    deviations = np.sqrt(np.maximum(squares, 0) / np.maximum(counts - 1, 1))
    widths = np.array([half_width(1.0, int(count)) for count in counts])
    wrong = (np.abs(means[:, 1:]) > deviations[:, 1:] * widths[1:]).any(axis=1).mean()
    assert 0.005 < wrong <= 0.05


def test_few_values_bound_nothing_and_more_bound_better() -> None:
    widths = [half_width(1.0, count) for count in range(1, 200)]
    assert widths[:6] == [inf] * 6
    assert sorted(widths, reverse=True) == widths
    assert half_width(2.0, 24) == 2 * half_width(1.0, 24)
    assert half_width(1.0, 24) == pytest.approx(0.6797, abs=1e-4)
    assert half_width(1.0, 24, alpha=0.01) > half_width(1.0, 24)


def test_a_ratio_is_the_geometric_mean_and_its_interval_is_symmetric_in_logs() -> None:
    found = ratio([0.5, 2.0] * 10)
    assert found is not None
    assert found.ratio == pytest.approx(1)
    assert found.low == pytest.approx(1 / found.high)
    assert found.storms == 20
    inverse = ratio([2.0, 0.5] * 10)
    assert inverse is not None
    assert (inverse.low, inverse.high) == pytest.approx((found.low, found.high))
    assert ratio([]) is None
    assert ratio([0.0]) is None
    alone = ratio([3.0])
    assert alone is not None
    assert (alone.low, alone.high) == (0.0, inf)
    assert alone.resolvable == inf


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.985, 1.015, Verdict.EQUIVALENT),
        (0.981, 0.999, Verdict.EQUIVALENT),  # less for certain, and by too little to matter
        (0.97, 0.99, Verdict.LESS),
        (0.5, 0.6, Verdict.LESS),
        (1.01, 1.04, Verdict.MORE),
        (0.97, 1.01, Verdict.UNDECIDED),
        (0.0, inf, Verdict.UNDECIDED),
    ],
)
def test_verdicts(low: float, high: float, verdict: Verdict) -> None:
    found = Ratio(ratio=1.0, low=low, high=high, storms=20)
    assert found.verdict(0.02) is verdict
    flipped = Ratio(ratio=1.0, low=1 / high if high else 0, high=1 / low if low else inf, storms=20)
    opposite = {Verdict.LESS: Verdict.MORE, Verdict.MORE: Verdict.LESS}
    assert flipped.verdict(0.02) is opposite.get(verdict, verdict)


def test_what_could_have_been_seen_is_half_the_interval() -> None:
    found = Ratio(ratio=1.5, low=1.5 / 1.04, high=1.5 * 1.04, storms=20)
    assert found.resolvable == pytest.approx(0.04)
    assert narrow(found, 0.0401)
    assert not narrow(found, 0.0399)
