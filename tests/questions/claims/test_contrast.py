# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test contrasts: what is paired and compared, how sure it is, how many blocks more."""

from __future__ import annotations

import math
import re
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_claims import arm, dropped, evidence, p50
from scipy import stats

from bench.judge.metrics import Unit
from bench.judge.statistics import Scale, one_sided, paired_difference, paired_ratio, within_p
from bench.questions.claims import contrast
from bench.questions.claims.claim import Verdict
from bench.questions.claims.contrast import Contrast
from bench.questions.claims.evidence import NotMeasured, Series
from bench.trial.result import TrialResult

FACTORS = (1.10, 1.31, 1.18, 1.25, 1.22, 1.07, 1.28, 1.15, 1.20, 1.12)
SHARES = (0.10, 0.31, 0.18, 0.25, 0.22, 0.07, 0.28, 0.15, 0.20, 0.12)


def series(name: str, *values: float, first: int = 0) -> Series:
    places = {(0, block): value for block, value in enumerate(values, start=first)}
    return Series(experiment="storm", arms=(name,), values=places)


def of_ratios(factors: tuple[float, ...], margin: float) -> Contrast:
    return contrast.ratio(
        "x", series("a", *factors), series("b", *[1.0] * len(factors)), margin=margin
    )


def of_shares(shares: tuple[float, ...], margin: float) -> Contrast:
    return contrast.difference(
        "x", series("a", *shares), series("b", *[0.0] * len(shares)), margin=margin
    )


def test_a_ratio_is_left_over_right_in_the_blocks_that_both_have() -> None:
    left, right = series("a", 8.0, 6.0, 5.0), series("b", 3.0, 2.0, 7.0, first=1)
    found = contrast.ratio("rate, a over b", left, right, margin=0.25)
    assert [math.exp(value) for value in found.values] == pytest.approx([2.0, 2.5])
    assert (found.what, found.scale, found.unit) == ("rate, a over b", Scale.RATIO, Unit.TIMES)
    assert (found.blocks, found.margin) == (2, 0.25)
    assert found.bound == pytest.approx(math.log(1.25))
    assert [(basis.arm, basis.trials) for basis in found.rests_on] == [
        ("a", ((0, 0), (0, 1), (0, 2))),
        ("b", ((0, 1), (0, 2), (0, 3))),
    ]


def test_a_difference_is_left_minus_right() -> None:
    found = contrast.difference("x", series("a", 0.5, 0.2), series("b", 0.1, 0.3), margin=0.05)
    assert found.values == pytest.approx((0.4, -0.1))
    assert (found.scale, found.unit, found.bound) == (Scale.DIFFERENCE, Unit.SHARE, 0.05)
    assert [basis.arm for basis in found.rests_on] == ["a", "b"]


def test_blocks_are_paired_by_place_and_not_by_position() -> None:
    left = Series(experiment="storm", arms=("a",), values={(1, 0): 10.0, (0, 0): 4.0})
    right = Series(experiment="storm", arms=("b",), values={(0, 0): 2.0, (1, 0): 1.0})
    found = contrast.ratio("x", left, right, margin=0.0)
    assert [math.exp(value) for value in found.values] == pytest.approx([2.0, 10.0])


def test_a_ratio_of_ratios_by_hand() -> None:
    parts = (series("a", 12.0), series("b", 3.0), series("c", 10.0), series("d", 5.0))
    found = contrast.ratio("x", *parts, margin=0.1)
    assert math.exp(found.values[0]) == pytest.approx(4.0 / 2.0)
    assert (found.scale, found.margin, found.what) == (Scale.RATIO, 0.1, "x")
    assert [basis.arm for basis in found.rests_on] == ["a", "b", "c", "d"]


def test_without_a_common_block_nothing_is_measured() -> None:
    with pytest.raises(NotMeasured, match="storm"):
        contrast.ratio("x", series("a", 1.0), series("b", 1.0, first=1), margin=0.0)


def test_several_together_are_their_mean_block_by_block() -> None:
    first, second = of_shares((0.2, 0.4, 0.9), 0.1), of_shares((0.4, 0.8), 0.3)
    found = contrast.together("both", (first, second))
    assert found.values == pytest.approx((0.3, 0.6))
    assert (found.what, found.margin) == ("both", 0.3)
    assert (found.scale, found.unit) == (Scale.DIFFERENCE, Unit.SHARE)
    assert found.rests_on == first.rests_on + second.rests_on


def test_one_alone_is_together_with_none() -> None:
    one = of_shares((0.2, 0.4), 0.1)
    assert contrast.together("x", (one,)) == one


@pytest.mark.parametrize("margin", [0.02, 0.1, 0.2])
def test_p_of_a_ratio_is_twice_the_one_sided_and_refutation_ignores_the_floor(
    margin: float,
) -> None:
    # Ten blocks, one trimmed at either end: scipy's trimmed mean and its standard error.
    logs = np.log(FACTORS)
    centre = stats.mstats.trimmed_mean(logs, limits=(0.1, 0.1))
    error = stats.mstats.trimmed_stde(logs, limits=(0.1, 0.1))
    above, below = of_ratios(FACTORS, margin).p
    assert above == pytest.approx(
        min(1, 2 * stats.t.sf((centre - math.log(1 + margin)) / error, 7))
    )
    assert below == pytest.approx(min(1, 2 * stats.t.cdf((centre - math.log(1.02)) / error, 7)))
    turned = tuple(1.02**2 / factor for factor in FACTORS)  # as far below 2 % as they are above
    assert of_ratios(turned, margin).p[1] == pytest.approx(of_ratios(FACTORS, 0.02).p[0])


def test_p_of_a_difference_is_twice_the_one_sided() -> None:
    centre = stats.mstats.trimmed_mean(SHARES, limits=(0.1, 0.1))
    error = stats.mstats.trimmed_stde(SHARES, limits=(0.1, 0.1))
    above, _ = of_shares(SHARES, 0.15).p
    assert above == pytest.approx(2 * stats.t.sf((centre - 0.15) / error, 7))
    _, below = of_shares(tuple(-share for share in SHARES), 0.15).p
    assert below == pytest.approx(2 * stats.t.sf(centre / error, 7))
    assert of_shares(SHARES, 0.5).p[0] == 1


def test_what_a_finding_contains() -> None:
    found = of_ratios(FACTORS, 0.05).measured()
    expected = paired_ratio(FACTORS, [1.0] * 10)
    assert (found.point, found.low, found.high) == pytest.approx(
        (expected.point, expected.low, expected.high)
    )
    assert (found.what, found.unit, found.bound) == ("x", Unit.TIMES, 1.05)
    assert found.blocks == pytest.approx(FACTORS)
    found = of_shares(SHARES, 0.05).measured()
    expected = paired_difference(SHARES, [0.0] * 10, mean=True)
    assert (found.point, found.low, found.high) == (expected.point, expected.low, expected.high)
    assert (found.bound, found.blocks, found.unit) == (0.05, SHARES, Unit.SHARE)


@pytest.mark.parametrize("blocks", range(1, 8))
def test_fewer_than_eight_blocks_lack_the_rest_of_eight(blocks: int) -> None:
    assert of_shares((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)[:blocks], 0.0).further_blocks() == (
        8 - blocks
    )


def test_further_blocks_bring_the_mean_four_standard_errors_from_the_bound() -> None:
    # n blocks of variance v put the bound (distance / sqrt(v / n)) standard errors away: 16 v / d².
    values = (0.0, 1.0) * 10
    variance = 20 * 0.25 / 19
    for bound in (0.40, 0.35, 0.30):
        needed = math.ceil(16 * variance / (0.5 - bound) ** 2)
        assert of_shares(values, bound).further_blocks() == needed - 20
    # Below the margin it is the least margin that has to be cleared: of a difference none at all.
    needed = math.ceil(16 * variance / 0.5**2)
    assert of_shares(values, 0.6).further_blocks() == max(needed - 20, 4) == 4
    below = tuple(value - 0.7 for value in values)
    assert of_shares(below, 0.1).further_blocks() == math.ceil(16 * variance / 0.2**2) - 20


def test_further_blocks_of_a_ratio_below_its_margin_are_counted_from_two_percent() -> None:
    factors = (1.0, 1.2) * 10
    logs = np.log(factors)
    distance = np.median(logs) - math.log(1.02)
    needed = math.ceil(16 * logs.var(ddof=1) / distance**2)
    assert of_ratios(factors, 0.15).further_blocks() == needed - 20 > 4


def test_a_centre_on_the_bound_is_counted_from_the_least_margin() -> None:
    values = (0.0, 0.5, 1.0) * 4
    needed = math.ceil(16 * float(np.var(values, ddof=1)) / 0.5**2)
    assert of_shares(values, 0.5).further_blocks() == max(needed - 12, 4) < 1_000


def test_further_blocks_are_four_at_least_and_a_thousand_at_most() -> None:
    assert of_shares((0.5,) * 8, 0.1).further_blocks() == 4
    assert of_shares((0.0, 1.0) * 4, 0.4999).further_blocks() == 1_000
    assert of_shares((-0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1), 0.5).further_blocks() == 1_000
    assert isinstance(of_shares((0.5,) * 8, 0.1).further_blocks(), int)


@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=12))
def test_swapping_the_sides_mirrors_the_values(factors: list[float]) -> None:
    left, right = series("a", *factors), series("b", *[1.0] * len(factors))
    there, back = (
        contrast.ratio("x", *sides, margin=0.0) for sides in ((left, right), (right, left))
    )
    assert there.values == pytest.approx([-value for value in back.values])


def take_p50(trial: TrialResult) -> float | None:
    return float(trial.latency.p50_ns) if trial.latency else None


def take_dropped(trial: TrialResult) -> float | None:
    return trial.ledger.own_dropped / trial.ledger.own_attempted if trial.ledger else None


floor = partial(contrast.noise, contrast.ratio, 0.0)


def test_a_margin_is_what_twins_are_surely_unlike_by() -> None:
    micros = (11.0, 12.0, 11.5, 10.9, 11.2, 11.4, 12.0, 11.1)
    storm = arm("storm", "ringbuf@64KiB", p50, micros)
    twin = arm("storm", "ringbuf@64KiB#2", p50, (10.0,) * 8)
    burst = arm("burst", "ringbuf@64KiB", p50, (10.0,) * 8)
    quiet = arm("burst", "ringbuf@64KiB#2", p50, (10.1,) * 8)
    found = evidence(storm, twin, burst, quiet)
    expected = paired_ratio(micros, [10.0] * 8).low - 1
    assert expected > 0.05
    assert floor(found, take_p50, "storm") == pytest.approx(expected)
    assert floor(found, take_p50, "burst") == pytest.approx(0.01)
    both = floor(found, take_p50, "nowhere", "burst", "storm")
    assert both == pytest.approx(expected)
    assert contrast.ratio_margin(found, take_p50, "storm", "burst") == pytest.approx(expected)
    assert contrast.ratio_margin(found, take_p50, "burst") == 0.02  # never less than 2 %
    assert contrast.ratio_margin(found, take_p50, "nowhere") == 0.02
    # Whichever of the twins is the slower one.
    turned = evidence(
        arm("storm", "ringbuf@64KiB", p50, (10.0,) * 8),
        arm("storm", "ringbuf@64KiB#2", p50, micros),
    )
    assert floor(turned, take_p50, "storm") == pytest.approx(expected)


def test_twins_that_may_be_alike_give_no_margin() -> None:
    unlike = (10.0, 14.0, 7.0, 13.0, 8.0, 10.2, 12.0, 9.9)
    found = evidence(
        arm("storm", "ringbuf@64KiB", p50, unlike),
        arm("storm", "ringbuf@64KiB#2", p50, (10.0,) * 8),
    )
    assert floor(found, take_p50, "storm") == 0


def test_the_margin_of_a_share_is_a_difference() -> None:
    shares = (0.14, 0.12, 0.13, 0.11, 0.15, 0.13, 0.12, 0.14)
    found = evidence(
        arm("storm", "ringbuf@8KiB", dropped, (0.1,) * 8),
        arm("storm", "ringbuf@8KiB#2", dropped, shares),
    )
    expected = paired_difference(shares, [0.1] * 8, mean=True).low
    assert 0.01 < expected < 0.04
    assert contrast.share_margin(found, take_dropped, "storm") == pytest.approx(expected)
    assert contrast.share_margin(found, take_dropped, "nowhere") == 0


def test_twins_that_were_not_both_measured_hide_no_others() -> None:
    found = evidence(
        arm("storm", "perfbuf@8KiB", p50, (10.0,) * 8),
        arm("storm", "perfbuf@8KiB#2", p50, (20.0,) * 8),
        arm("storm", "ringbuf@64KiB", p50, (10.0,) * 8),
        arm("storm", "ringbuf@64KiB#2", p50, (11.0,) * 8),
    )

    def untaken(trial: TrialResult) -> float | None:
        return None if trial.arm.endswith("8KiB#2") else take_p50(trial)

    assert floor(found, untaken, "storm") == pytest.approx(0.1)


def test_between_is_two_one_sided_tests_and_the_whole_interval() -> None:
    near = tuple(1 + step / 1_000 for step in (-9, 7, -5, 3, -1, 1, -3, 5, -7, 9))
    logs = np.log(near)
    centre = stats.mstats.trimmed_mean(logs, limits=(0.1, 0.1))
    error = stats.mstats.trimmed_stde(logs, limits=(0.1, 0.1))
    found = of_ratios(near, 0.02)
    verdict, p = found.between(1 / 1.02, 1.01)
    assert verdict is Verdict.REPRODUCED
    assert p == pytest.approx(stats.t.sf((math.log(1.01) - centre) / error, 7))
    verdict, p = found.between(0.993, 1.02)
    assert verdict is Verdict.REPRODUCED
    assert p == pytest.approx(stats.t.sf((centre - math.log(0.993)) / error, 7))
    # Outside: two-sided, of the nearer edge.
    verdict, p = found.between(1.01, 2.0)
    assert verdict is Verdict.REFUTED
    assert p == pytest.approx(2 * stats.t.sf((math.log(1.01) - centre) / error, 7))
    verdict, p = found.between(0.5, 0.99)
    assert verdict is Verdict.REFUTED
    assert p == pytest.approx(2 * stats.t.sf((centre - math.log(0.99)) / error, 7))
    # Across an edge, or with too few blocks: nothing is shown.
    assert found.between(1.0, 1.02) == (Verdict.INCONCLUSIVE, 1.0)
    assert of_ratios(near[:7], 0.02).between(0.5, 2.0) == (Verdict.INCONCLUSIVE, 1.0)


def test_between_takes_a_missing_edge_for_none_and_differences_as_they_are() -> None:
    found = of_shares(SHARES, 0.0)
    centre = stats.mstats.trimmed_mean(SHARES, limits=(0.1, 0.1))
    error = stats.mstats.trimmed_stde(SHARES, limits=(0.1, 0.1))
    verdict, p = found.between(-math.inf, 0.3)
    assert (verdict, p) == (
        Verdict.REPRODUCED,
        pytest.approx(stats.t.sf((0.3 - centre) / error, 7)),
    )
    verdict, p = found.between(-math.inf, 0.1)
    assert (verdict, p) == (
        Verdict.REFUTED,
        pytest.approx(2 * stats.t.sf((centre - 0.1) / error, 7)),
    )
    verdict, p = found.between(0.3, math.inf)
    assert (verdict, p) == (
        Verdict.REFUTED,
        pytest.approx(2 * stats.t.sf((0.3 - centre) / error, 7)),
    )
    assert of_ratios(FACTORS, 0.0).between(0.0, 1.4)[0] is Verdict.REPRODUCED


def test_sides_agree_with_their_pairs() -> None:
    left, right = series("a", 4.0, 9.0, 8.0, 1.0), series("b", 2.0, 3.0, 8.0)
    found = contrast.sides(left, right)
    assert found == pytest.approx((3.0 * 2.0, 3.0))  # pairs are 2, 3 and 1 times
    shares = contrast.sides(left, right, Scale.DIFFERENCE)
    assert shares == pytest.approx((7.0, 13 / 3))


def test_a_share_alone_is_its_difference_from_none() -> None:
    part = Series(experiment="storm", arms=("a",), values={(0, 1): 0.5, (0, 0): 0.2})
    found = contrast.difference("late", part)
    assert found.values == (0.2, 0.5)
    assert (found.what, found.scale, found.margin) == ("late", Scale.DIFFERENCE, 0.0)
    assert (found.unit, found.rests_on) == (Unit.SHARE, part.rests_on)


def test_ratios_are_times_differences_points_and_one_share_alone_per_cent() -> None:
    assert re.fullmatch(r"x: 1\.19 times \(1\.\d\d to 1\.\d\d\)", str(of_ratios(FACTORS, 0.05)))
    interval = r"\+1\d\.\d\d pt \(\+1\d\.\d\d pt to \+2\d\.\d\d pt\)"
    assert re.fullmatch(f"x: {interval}", str(of_shares(SHARES, 0.05)))
    alone = contrast.difference("x", series("a", *SHARES))
    assert re.fullmatch(r"x: 1\d\.\d % \(1\d\.\d % to 2\d\.\d %\)", str(alone))
    assert str(contrast.difference("x", series("a", *[0.0] * 8))) == "x: 0 % in each of 8 blocks"
    assert str(of_shares((0.0,) * 8, 0.0)) == "x: the same in each of 8 blocks"


def test_between_needs_both_the_interval_and_the_test() -> None:
    tame = (0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.22, 0.24)
    wild = (-1.0, *tame[1:])  # the trimmed test does not see it, the mean does
    clear, pulled = of_shares(tame, 0.0), of_shares(wild, 0.0)
    assert pulled.estimate.low < 0.0
    assert clear.estimate.low > 0.12
    # Surely above 0.05 by the trimmed test, but the interval reaches below.
    assert within_p(wild, 0.05, math.inf) < 0.025
    assert pulled.between(0.05, math.inf) == (Verdict.INCONCLUSIVE, 1.0)
    assert pulled.between(-math.inf, 0.05) == (Verdict.INCONCLUSIVE, 1.0)
    mirrored = of_shares(tuple(-value for value in wild), 0.0)
    assert mirrored.between(-math.inf, -0.05) == (Verdict.INCONCLUSIVE, 1.0)
    assert mirrored.between(-0.05, math.inf) == (Verdict.INCONCLUSIVE, 1.0)
    # The whole interval below, pulled down by one block, but the test is not sure.
    edge = pulled.estimate.high + 1e-6
    assert within_p(wild, -math.inf, edge) > 0.05
    assert pulled.between(-math.inf, edge) == (Verdict.INCONCLUSIVE, 1.0)
    # The interval of eight blocks is narrower than Student's: just beyond it p is not below 5 %.
    edge = clear.estimate.low - 1e-6
    assert 0.05 < 2 * one_sided(tame, edge)[0] < 0.2
    assert clear.between(-math.inf, edge) == (Verdict.INCONCLUSIVE, 1.0)


def test_what_counts_as_none_and_as_equal() -> None:
    assert (contrast.SURE, contrast.NEARLY_NONE, contrast.ABOUT_EQUAL) == (0.05, 0.01, 1.25)


def test_between_includes_its_edges_and_eight_blocks() -> None:
    same = of_shares((0.5,) * 8, 0.0)
    assert same.between(0.4, 0.6)[0] is Verdict.REPRODUCED
    assert same.between(0.6, 0.7)[0] is Verdict.REFUTED
    # 19 of 20 at 1, and sure to lie above 0.7: but the interval only touches an edge that is there.
    spread = of_shares((*[1.0] * 19, 0.5), 0.0)
    for edge, verdict in (
        (spread.estimate.low, Verdict.INCONCLUSIVE),
        (spread.estimate.low - 0.01, Verdict.REFUTED),
    ):
        assert one_sided(spread.values, edge)[0] < 0.001
        assert spread.between(-math.inf, edge)[0] is verdict
