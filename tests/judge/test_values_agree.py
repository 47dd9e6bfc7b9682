# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that two values beside a ratio or a difference never point the other way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import log
from typing import Any

import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_claims import arm, evidence, ns, rate
from made_up_trials import blocks
from rendered import run_json

from bench.judge.comparison import Compared
from bench.judge.metrics import Unit
from bench.judge.statistics import Estimate, Scale, moved_p, same_p
from bench.questions.claims.catalogue import judge
from bench.questions.claims.contrast import ratio, sides
from bench.questions.claims.evidence import Series
from bench.questions.transports.summary import Summary, compare


def sign(value: float) -> int:
    return (value > 0) - (value < 0)


def says(estimate: Estimate) -> int:
    return sign(log(estimate.point) if estimate.scale is Scale.RATIO else estimate.point)


def rows(summary: Summary) -> Iterator[Compared]:
    for comparison in summary.comparisons:
        yield from comparison.rows


def check(found: Compared) -> None:
    if found.estimate is None:
        return
    assert found.left is not None
    assert found.right is not None
    if found.estimate.scale is Scale.RATIO:
        assert found.left == pytest.approx(found.right * found.estimate.point)
        apart = abs(found.estimate.point - 1) > 1e-12
    else:
        assert found.left - found.right == pytest.approx(found.estimate.point, rel=1e-9, abs=1e-12)
        apart = abs(found.estimate.point) > 1e-12 * abs(found.right)
    if apart:
        assert sign(found.left - found.right) == says(found.estimate), found.key


@pytest.mark.slow
@pytest.mark.parametrize("journal", reference.JOURNALS)
def test_no_percentile_of_all_records_lies_above_the_largest(journal: str) -> None:
    for comparison in reference.summary(journal).comparisons:
        for side in (comparison.left, comparison.right):
            if (found := side.latency) is not None:
                ascending = (found.p50_ns, found.p90_ns, found.p99_ns, found.p999_ns, found.max_ns)
                assert list(ascending) == sorted(ascending)


@pytest.mark.slow
@pytest.mark.parametrize("journal", reference.JOURNALS)
def test_every_row_of_the_reference_agrees_with_its_estimate(journal: str) -> None:
    seen = 0
    for found in rows(reference.summary(journal)):
        check(found)
        seen += found.estimate is not None
    assert seen > 100


@pytest.mark.slow
@pytest.mark.parametrize("journal", reference.JOURNALS[:2])
def test_json_agrees_with_itself(journal: str) -> None:
    values: Any = json.loads(run_json(reference.summary(journal)))
    for comparison in values["summaries"][0]["comparisons"]:
        for key, number in comparison["numbers"].items():
            if number["estimate"] is not None:
                apart = number["left"] - number["right"]
                scale = Scale(number["estimate"]["scale"])
                estimate = Estimate(**number["estimate"] | {"scale": scale})
                if abs(apart) > 1e-9 * abs(number["right"]):
                    assert sign(apart) == says(estimate), key
                if number["better"] is not None:
                    less = "left" if says(estimate) < 0 else "right"
                    more_is_better = key == "own_delivered_per_s"
                    assert (number["better"] == less) is not more_is_better, key


NUMBERS = st.tuples(
    st.integers(1, 10**6), st.floats(1, 1e4), st.integers(0, 1_000), st.integers(0, 1_200)
)


@settings(max_examples=40)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=9))
def test_made_up_rows_agree_with_their_estimates(
    pairs: list[tuple[tuple[int, float, int, int], tuple[int, float, int, int]]],
) -> None:
    made = []
    for at, name in enumerate(("ringbuf@64KiB", "perfbuf@64KiB")):
        made += blocks(
            name,
            [
                {"p50_ns": p50, "storm_ms": ms, "dropped": lost, "violations": wrong}
                for p50, ms, lost, wrong in (pair[at] for pair in pairs)
            ],
            pairs=1_200,
        )
    for found in rows(compare(made)):
        check(found)


def test_two_medians_may_point_the_other_way_and_are_not_shown() -> None:
    left, right = (10, 20, 30, 40, 90), (9, 19, 29, 50, 60)
    made = blocks("ringbuf@64KiB", [{"p50_ns": 1_000 * each} for each in (10, 31, 32)])
    made += blocks("perfbuf@64KiB", [{"p50_ns": 1_000 * each} for each in (9, 30, 40)])
    (comparison,) = compare(made).comparisons
    found = comparison.row("latency_p50_ns")
    assert found is not None
    assert found.right == 30_000
    assert found.left == pytest.approx(31_000)
    assert len(left) == len(right)


def test_a_side_with_blocks_of_its_own_is_shown_by_those_that_are_paired() -> None:
    made = blocks("ringbuf@64KiB", [{"dropped": 10}] * 8 + [{"dropped": 900}] * 8)
    made += blocks("perfbuf@64KiB", [{"dropped": 20}] * 8)
    (comparison,) = compare(made).comparisons
    found = comparison.row("own_dropped_share")
    assert found is not None
    assert (found.left, found.right) == (pytest.approx(0.01), pytest.approx(0.02))
    assert found.unit is Unit.SHARE


def series(values: tuple[float, ...]) -> Series:
    return Series(
        experiment="x", arms=("y",), values={(0, at): value for at, value in enumerate(values)}
    )


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)), min_size=1, max_size=15))
def test_what_a_claim_shows_of_both_sides_agrees_with_their_ratio(
    pairs: list[tuple[float, float]],
) -> None:
    left, right = (series(tuple(pair[at] for pair in pairs)) for at in (0, 1))
    of_left, of_right = sides(left, right)
    point = ratio("", left, right, margin=0.0).estimate.point
    assert of_left / of_right == pytest.approx(point)
    a, b = sides(left, right, Scale.DIFFERENCE)
    assert a - b == pytest.approx(
        sum(x - y for x, y in pairs) / len(pairs), rel=1e-6, abs=1e-6 * max(a, b)
    )


def details(claim: str, made: list[Any]) -> tuple[str, ...]:
    found = judge(evidence(made)).judgements
    return next(each.finding.details for each in found if each.claim.id == claim)


# The median of the first is above that of the second, and in most blocks it is the lesser one.
HIGHER = (1.0, 2.0, 9.0, 9.1, 9.2, 3.0, 2.5, 9.3)
LOWER = (1.1, 2.2, 4.0, 4.1, 4.2, 3.3, 2.75, 10.3)


def test_the_evidence_of_a_claim_agrees_with_its_ratio() -> None:
    made = arm("rate-default", "ringbuf@8MiB", rate, HIGHER)
    made += arm("rate-default", "perfbuf@8MiB", rate, LOWER)
    ring, perf = (float(line.split()[1]) for line in details("rb-faster-default", made)[:2])
    of_ring, of_perf = series(HIGHER), series(LOWER)
    assert sign(ring - perf) == says(ratio("", of_ring, of_perf, margin=0.0).estimate)
    made = arm("producers", "ringbuf@64MiB/1cpu", ns, tuple(100 * each for each in LOWER))
    made += arm("producers", "ringbuf@64MiB/2cpu", ns, tuple(100 * each for each in HIGHER))
    made += arm("producers", "perfbuf@64MiB/1cpu", ns, (100.0,) * 8)
    made += arm("producers", "perfbuf@64MiB/2cpu", ns, (100.0,) * 8)
    words = next(each for each in details("rb-contention", made) if each.startswith("rb, by"))
    one, two = (float(each.split()[0]) for each in words.partition(": ")[2].split(", "))
    assert sign(two - one) == says(ratio("", of_ring, of_perf, margin=0.0).estimate)


def test_a_change_is_not_judged_by_one_centre_and_shown_by_another() -> None:
    then, now = [0.0] * 8, [0.5, *[-0.01, -0.011, -0.012, -0.009, -0.01, -0.011, -0.01]]
    assert same_p(then, now) < 0.05  # the trimmed mean fell, the mean rose
    assert moved_p(then, now, sum(now) / 8) == 1.0
    assert moved_p(then, now, -0.01) == same_p(then, now)
