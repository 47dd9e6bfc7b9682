# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.judge import statistics
from bench.judge.statistics import (
    FEWEST_BLOCKS,
    RESAMPLES,
    Scale,
    _between,
    _draws,
    _middle_ranks,
    counted_share,
    holm,
    loss_bound,
    moved_p,
    one_sided,
    paired_difference,
    paired_ratio,
    partial_conjunction_p,
    same_p,
    within_p,
)
from bench.measure.columns import Floats

# One value is trimmed at either end from eight on, two are from sixteen on.
_LENGTHS = (3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 40)


def test_a_ratio_is_the_median_of_ratios_within_blocks() -> None:
    # Blocks differ by a factor of 8, as machines do that change speed; the ratios are 2, 2, 2, 4.
    found = paired_ratio([2, 16, 4, 8], [1, 8, 2, 2])
    assert found.scale is Scale.RATIO
    assert found.point == pytest.approx(2)
    assert (found.low, found.high) == (pytest.approx(2), pytest.approx(4))
    assert found.blocks == 4


def test_an_even_number_of_blocks_takes_the_geometric_middle() -> None:
    assert paired_ratio([1, 4], [1, 1]).point == pytest.approx(2)


def test_blocks_that_agree_have_no_width() -> None:
    found = paired_ratio([3.0] * 8, [2.0] * 8)
    assert found.low == found.high == found.point == pytest.approx(1.5)
    assert found.p == 2 / (RESAMPLES + 1)


def test_nothing_against_nothing_is_no_difference() -> None:
    found = paired_difference([0.0] * 8, [0.0] * 8, mean=True)
    assert (found.point, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_one_block_proves_nothing() -> None:
    found = paired_difference([1.0], [0.0])
    assert (found.low, found.high, found.p) == (1, 1, 1)


def test_a_difference_of_shares_is_the_mean_of_differences() -> None:
    # One lossy block of four: the median would hide it.
    found = paired_difference([0.4, 0, 0, 0], [0, 0, 0, 0], mean=True)
    assert found.point == pytest.approx(0.1)
    assert found.low == 0
    assert 0.2 <= found.high <= 0.4


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(3).normal(1.0, 1.0, 400)
    found = paired_difference(list(values), [0.0] * 400, mean=True)
    error = values.std() / math.sqrt(400)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_the_interval_of_a_median_ends_at_the_ranks_that_the_binomial_distribution_gives() -> None:
    # A resampled median of 19 is at most the k-th value if 10 or more draws are: for k = 5 and 6
    # in 1.3 and 4.6 % of all resamples, so 2.5 % lie in the 6th (5 %: in the 7th).
    assert stats.binom.sf(9, 19, 5 / 19) < 0.025 < stats.binom.sf(9, 19, 6 / 19)
    values = [float(value) for value in range(1, 20)]
    found = paired_difference(values, [0.0] * 19)
    assert (found.low, found.point, found.high) == (6, 10, 14)


@pytest.mark.parametrize(("below", "blocks"), [(3, 9), (4, 11), (2, 11), (7, 21)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_p_of_a_median_is_twice_the_share_of_resamples_beyond_zero(
    below: int, blocks: int, sign: int
) -> None:
    expected = 2 * stats.binom.sf(blocks // 2, blocks, below / blocks)
    values = [sign * (rank - below + 0.5) for rank in range(blocks)]
    found = paired_difference(values, [0.0] * blocks)
    assert found.p == pytest.approx(expected, abs=0.001)


def test_two_blocks_are_resampled_already() -> None:
    found = paired_difference([0.5, 1.5], [0.0, 0.0])
    assert (found.point, found.low, found.high, found.p) == (1, 0.5, 1.5, 2 / 5_000)
    assert paired_difference([1.0, 1.0], [0.0, 0.0]).p == 2 / 5_000


def test_p_is_never_zero_and_never_above_one() -> None:
    assert paired_difference([1.0, 2.0, 3.0], [0.0] * 3).p == 2 / 5_000
    assert paired_difference([-1.0, 0.0, 1.0], [0.0] * 3).p == 1
    assert paired_difference([5.0] * 3, [0.0] * 3).p == 2 / 5_000


def medians_of_all(values: Floats) -> Floats:
    """Return the median of every possible resample, sorted."""
    every = np.array(list(product(np.sort(values), repeat=len(values))))
    return np.sort(np.median(every, axis=1))


@pytest.mark.parametrize("blocks", [2, 3, 4, 5, 6])
def test_medians_are_those_of_all_resamples(blocks: int) -> None:
    values = np.random.default_rng(blocks).normal(1.0, 1.0, blocks)
    medians = medians_of_all(values)
    found = paired_difference(list(values), [0.0] * blocks)
    last = len(medians) - 1
    expected = medians[int(0.025 * len(medians))], medians[last - int(0.025 * len(medians))]
    assert (found.low, found.high) == pytest.approx(expected)
    tail = min((medians <= 0).mean(), (medians >= 0).mean())
    assert found.p == pytest.approx(min(1.0, 2 * (tail * RESAMPLES + 1) / (RESAMPLES + 1)))


@pytest.mark.parametrize("blocks", [8, 9, 24, 100, 101, 102])
def test_middle_values_are_as_often_at_a_rank_as_when_drawn(blocks: int) -> None:
    values = np.sort(np.random.default_rng(blocks).normal(size=blocks))
    lower, upper, shares = _middle_ranks(blocks)
    assert shares.sum() == pytest.approx(1.0)
    medians = (values[lower] + values[upper]) / 2
    drawn = np.median(values[_draws(blocks)], axis=1)
    for at in np.quantile(drawn, (0.1, 0.5, 0.9)):
        assert shares[medians <= at].sum() == pytest.approx((drawn <= at).mean(), abs=0.02)


@pytest.mark.parametrize("blocks", [8, 9, 24, 300])
def test_both_bounds_of_a_median_lie_at_the_same_rank(blocks: int) -> None:
    values = list(range(blocks))
    found = paired_difference(values, [0.0] * blocks)
    assert found.low == blocks - 1 - found.high


def test_the_interval_of_a_mean_is_the_middle_95_percent_of_the_resamples() -> None:
    values = np.random.default_rng(7).normal(2.0, 1.0, 25)
    resamples = np.mean(values[_draws(25)], axis=1)
    found = paired_difference(list(values), [0.0] * 25, mean=True)
    assert _draws(25).shape == (RESAMPLES, 25)
    assert set(np.unique(_draws(25))) == set(range(25))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(resamples, (0.025, 0.975))))


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.floats(0, 0.99))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    array = np.array(values)
    if share * (len(values) - 1) < len(values) - 1:
        assert _between(array, share) == pytest.approx(float(np.quantile(array, share)))


def test_a_difference_keeps_its_scale_and_its_blocks() -> None:
    found = paired_difference([3.0, 5.0, 4.0], [1.0, 1.0, 1.0])
    assert (found.scale, found.point, found.blocks) == (Scale.DIFFERENCE, 3, 3)


@pytest.mark.parametrize("count", [n for n in _LENGTHS if n >= 8])
@pytest.mark.parametrize("bound", [-0.4, 0.0, 0.3])
def test_one_sided_p_is_that_of_scipys_trimmed_mean_and_its_standard_error(
    count: int, bound: float
) -> None:
    values = np.random.default_rng(count).gamma(2.0, 1.0, count) - 1.5
    limits = (int(0.125 * count) / count,) * 2
    centre = stats.mstats.trimmed_mean(values, limits=limits)
    error = stats.mstats.trimmed_stde(values, limits=limits)
    t = (centre - bound) / error
    freedom = count - 2 * (count // 8) - 1
    above, below = one_sided(list(values), bound)
    assert above == pytest.approx(stats.t.sf(t, freedom))
    assert below == pytest.approx(stats.t.cdf(t, freedom))


@pytest.mark.parametrize("count", [3, 5, 7])
def test_one_sided_p_of_fewer_than_eight_is_students(count: int) -> None:
    values = np.random.default_rng(count).normal(0.5, 1.0, count)
    above, below = one_sided(list(values), 0.2)
    assert above == pytest.approx(stats.ttest_1samp(values, 0.2, alternative="greater").pvalue)
    assert below == pytest.approx(stats.ttest_1samp(values, 0.2, alternative="less").pvalue)


@pytest.mark.parametrize(
    ("count", "t", "p"),
    [  # Student's table: one tail, by degrees of freedom
        (3, 2.920, 0.05),
        (5, 2.132, 0.05),
        (5, 4.604, 0.005),
        (7, 1.943, 0.05),
        (7, 3.707, 0.005),
    ],
)
def test_one_sided_p_is_that_of_the_published_table(count: int, t: float, p: float) -> None:
    around = np.arange(count) - (count - 1) / 2
    values = 10 + around + t * around.std(ddof=1) / math.sqrt(count)
    above, below = one_sided(list(values), 10)
    assert above == pytest.approx(p, rel=0.005)
    assert below == pytest.approx(1 - p, rel=0.005)
    assert one_sided(list(20 - values), 10) == pytest.approx((below, above))


def test_a_trimmed_test_worked_out_by_hand() -> None:
    # 1 to 8: trimmed mean 4.5, winsorised 2, 2, 3 ... 7, 7 with a variance of 30 / 7. Table: t of
    # 4.032 leaves 0.5 % of five degrees of freedom above it, 5.893 leaves 0.1 %.
    t = 4.5 * 6 / math.sqrt(30 / 7 * 8)
    assert t == pytest.approx(4.6111, abs=1e-4)
    assert one_sided([float(value) for value in range(1, 9)], 0)[0] == pytest.approx(
        stats.t.sf(t, 5)
    )
    assert 0.001 < stats.t.sf(t, 5) < 0.005


def test_one_wild_value_of_eight_changes_nothing() -> None:
    tame = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert one_sided([*tame[:-1], 1e9], 2.0) == one_sided(tame, 2.0)
    assert same_p([*tame[:-1], 1e9], tame[::-1]) == same_p(tame, tame) == 1.0


def test_values_that_agree_are_as_sure_as_can_be() -> None:
    assert one_sided([2.0] * 3, 1.0) == (0, 1)
    assert one_sided([2.0] * 3, 3.0) == (1, 0)
    assert one_sided([2.0] * 3, 2.0) == (0.5, 0.5)
    assert one_sided([0.25] * 3, 0.0) == (0, 1)
    assert one_sided([0.25] * 3, 0.5) == (1, 0)
    assert same_p([2.0] * 3, [2.0] * 4) == 1
    assert same_p([2.0] * 3, [2.5] * 4) == 0


def test_two_values_prove_nothing() -> None:
    assert one_sided([5.0, 6.0], 0.0) == (1, 1)
    assert one_sided([], 0.0) == (1, 1)
    assert same_p([5.0, 6.0], [1.0, 1.1, 1.2]) == 1
    assert same_p([1.0, 1.1, 1.2], [5.0, 6.0]) == 1
    assert same_p([1.0, 1.1, 1.2], [5.0, 6.0, 7.0]) < 0.05


def test_a_move_counts_only_in_the_direction_that_is_shown() -> None:
    then = [0.1, 0.2, 0.15, 0.12, 0.11, 0.18, 0.14, 0.13]
    now = [value + 0.05 for value in then]
    p = same_p(then, now)
    assert 0 < p < 0.05
    for shown, expected in ((0.05, p), (-0.05, 1.0), (0.0, p), (2.0, p), (-2.0, 1.0)):
        assert moved_p(then, now, shown) == expected
        assert moved_p(now, then, -shown) == pytest.approx(expected)
    assert moved_p(then, then, 1.0) == moved_p(then, now[:2], 1.0) == 1.0


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "values", [[-1.0, 2.0, 3.0, 4.0, 5.0], [-2.0, -1.0, 3.0, 4.0, 5.0, 6.0]], ids=len
)
def test_p_counts_resamples_beyond_zero_on_the_smaller_side(values: list[float], sign: int) -> None:
    signed = sign * np.array(values)
    medians = medians_of_all(signed)
    tail = min((medians <= 0).mean(), (medians >= 0).mean())
    found = paired_difference(list(signed), [0.0] * len(values))
    assert found.p == pytest.approx(2 * (tail * RESAMPLES + 1) / (RESAMPLES + 1))


@pytest.mark.parametrize("then", _LENGTHS)
@pytest.mark.parametrize("now", [3, 8, 16, 25])
def test_p_of_two_samples_is_scipys(then: int, now: int) -> None:
    random = np.random.default_rng(100 * then + now)
    before, after = random.gamma(2.0, 1.0, then), random.gamma(2.0, 2.0, now)
    expected = stats.ttest_ind(before, after, equal_var=False, trim=0.125).pvalue
    assert same_p(list(before), list(after)) == pytest.approx(expected)
    assert same_p(list(after), list(before)) == pytest.approx(expected)


def test_a_sample_that_agrees_with_itself_is_a_bound() -> None:
    after = [1.5, 2.0, 1.0, 1.7, 0.9, 1.2, 3.0, 1.1]
    inner = sorted(after)[1:-1]
    error = math.sqrt(7 * np.var([inner[0], *inner, inner[-1]], ddof=1) / (6 * 5))
    t = (np.mean(inner) - 1) / error
    assert same_p([1.0] * 8, after) == pytest.approx(2 * stats.t.sf(t, 5))


def test_the_same_values_give_the_same_interval() -> None:
    left, right = [1.0, 2.0, 4.0, 3.0, 9.0], [1.5, 2.5, 3.0, 3.5, 5.0]
    assert paired_ratio(left, right) == paired_ratio(left, right)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(150):
        left, right = random.lognormal(0.5, 0.3, 12), random.lognormal(0.0, 0.3, 12)
        found = paired_ratio(list(left), list(right))
        covered += found.low <= math.exp(0.5) <= found.high
    assert covered >= 0.88 * 150  # a bootstrapped median of few blocks falls a little short of 95 %


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)), min_size=1, max_size=12))
def test_swapping_the_sides_turns_the_ratio_over(pairs: list[tuple[float, float]]) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    there, back = paired_ratio(left, right), paired_ratio(right, left)
    assert there.low <= there.point * (1 + 1e-9)
    assert there.point <= there.high * (1 + 1e-9)
    assert there.point * back.point == pytest.approx(1)


@pytest.mark.parametrize(
    ("lossy", "trials", "bound"),
    [
        (0, 20, 1 - 0.05 ** (1 / 20)),  # 13.9 %, since 0.861^20 is 5 %
        (0, 8, 1 - 0.05 ** (1 / 8)),
        (1, 20, 0.21611),  # tables of Clopper and Pearson
        (0, 10, 0.25887),
        (1, 10, 0.39416),
        (5, 10, 0.77756),
        (2, 30, 0.19533),
        (20, 20, 1.0),
    ],
)
def test_loss_bounds(lossy: int, trials: int, bound: float) -> None:
    assert loss_bound(lossy, trials) == pytest.approx(bound, abs=1e-5)


@pytest.mark.parametrize(("lossy", "trials"), [(0, 1), (1, 2), (3, 8), (7, 8), (8, 8), (40, 300)])
def test_loss_bounds_are_scipys(lossy: int, trials: int) -> None:
    exact = stats.binomtest(lossy, trials, alternative="less").proportion_ci(0.95, "exact")
    assert loss_bound(lossy, trials) == pytest.approx(exact.high)


@pytest.mark.parametrize(("lossy", "trials"), [(0, 0), (3, 2), (-1, 5)])
def test_what_is_no_proportion_is_refused(lossy: int, trials: int) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        loss_bound(lossy, trials)


def test_a_verdict_takes_eight_blocks() -> None:
    assert FEWEST_BLOCKS == 8


def test_holm_by_hand() -> None:
    # Ascending 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, and never less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx((0.06, 0.04, 0.06, 0.06))
    assert holm([0.5, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    assert all(a <= 1 for a in adjusted)
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [a for _, a in ranked] == sorted(adjusted)


@given(
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=3, max_size=7, unique=True),
    st.floats(-6, 0),
    st.floats(0.1, 6),
)
def test_equivalence_is_two_one_sided_t_tests(values: list[float], low: float, high: float) -> None:
    """Fewer than eight values are not trimmed, so that scipy's test says the same."""
    from scipy.stats import ttest_1samp

    above = ttest_1samp(values, low, alternative="greater").pvalue
    below = ttest_1samp(values, high, alternative="less").pvalue
    assert within_p(values, low, high) == pytest.approx(max(above, below), abs=1e-9)
    assert within_p(values, -math.inf, high) == pytest.approx(below, abs=1e-9)
    assert within_p(values, low, math.inf) == pytest.approx(above, abs=1e-9)


def test_equivalence_by_hand() -> None:
    # Mean 0.5, standard error 0.5 / sqrt(5): t is 4.472 to either edge, with 4 degrees of freedom.
    values = [0.0, 0.0, 0.5, 1.0, 1.0]
    assert within_p(values, -0.5, 1.5) == pytest.approx(0.00553, abs=1e-5)
    assert within_p(values, 0.5, 1.5) == pytest.approx(0.5)
    assert within_p([0.0] * 8, -1.0, 1.0) == 0.0
    assert within_p([2.0] * 8, -1.0, 1.0) == 1.0


def test_a_partial_conjunction_by_hand() -> None:
    assert partial_conjunction_p([0.04, 0.01, 0.03], 3) == pytest.approx(0.04)  # all: the largest
    assert partial_conjunction_p([0.04, 0.01, 0.03], 2) == pytest.approx(0.06)  # two times 0.03
    assert partial_conjunction_p([0.04, 0.01, 0.03], 1) == pytest.approx(0.03)  # Bonferroni
    assert partial_conjunction_p([0.9, 0.9], 1) == 1.0
    for least in (0, 4):
        with pytest.raises(ValueError, match="of 3 p values"):
            partial_conjunction_p([0.1, 0.2, 0.3], least)


def test_a_share_that_no_trial_saw_has_the_bound_of_its_count() -> None:
    none, every = counted_share([0.0] * 8, 0, 300), counted_share([1.0] * 8, 300, int("300"))
    assert (none.point, none.low, none.high) == (0, 0, pytest.approx(1 - 0.05 ** (1 / 300)))
    assert (every.point, every.low, every.high) == (1, pytest.approx(0.05 ** (1 / 300)), 1)
    some = counted_share([0.5, 0.0], 1, 4)
    assert some == paired_difference([0.5, 0.0], [0.0, 0.0], mean=True)


def test_many_values_are_resampled_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=150)
    whole = statistics._resampled_means(values)
    monkeypatch.setattr(statistics, "_KEPT", 0)
    monkeypatch.setattr(statistics, "_AT_ONCE", 1_000)
    np.testing.assert_array_equal(whole, statistics._resampled_means(values))
