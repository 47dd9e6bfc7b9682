# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test comparisons: outcomes at their edges, which side is which, and sums over a side's trials."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_trials import blocks, row, trial

from bench.judge.comparison import (
    Bottleneck,
    Compared,
    Comparison,
    Outcome,
    compare_arms,
    outcome_of,
    unequal_loads,
)
from bench.judge.filing import file
from bench.judge.floor import Floor
from bench.judge.metrics import Group, Unit
from bench.judge.samples import Stretch
from bench.judge.statistics import Estimate, Scale
from bench.measure.cost import Occupancy
from bench.measure.latency import Percentiles
from bench.plan.config import Consumer, Poll
from bench.trial.result import State, TrialResult

RING, PERF = "ringbuf@64KiB", "perfbuf@64KiB"


def compared(*arms: list[TrialResult], floors: tuple[Floor, ...] = ()) -> Comparison:
    trials = [each for of_arm in arms for each in of_arm]
    (comparison,) = compare_arms(file([Stretch(trials=trials)])["storm"], floors)
    return comparison


def merged_latency(trials: list[TrialResult]) -> Percentiles | None:
    filed = file([Stretch(trials=trials)])
    return filed["storm"].arms[RING].latency() if filed else None


@pytest.mark.parametrize(
    ("scale", "interval", "margin", "blocks", "outcome"),
    [
        (Scale.RATIO, (1.11, 1.30), 0.10, 8, Outcome.MORE),
        (Scale.RATIO, (1.10, 1.30), 0.10, 8, Outcome.UNDECIDED),  # beyond, not at the margin
        (Scale.RATIO, (0.70, 0.90), 0.10, 8, Outcome.LESS),  # 1 / 1.1 is 0.909
        (Scale.RATIO, (0.70, 0.905), 0.10, 8, Outcome.LESS),
        (Scale.RATIO, (0.70, 0.91), 0.10, 8, Outcome.UNDECIDED),
        (Scale.RATIO, (0.50, 0.80), 0.25, 8, Outcome.UNDECIDED),
        (Scale.RATIO, (0.50, 0.79), 0.25, 8, Outcome.LESS),
        (Scale.RATIO, (0.70, 1.30), 0.10, 8, Outcome.UNDECIDED),
        (Scale.RATIO, (1.00, 1.00), 0.10, 8, Outcome.EQUAL),
        (Scale.RATIO, (1.00, 1.01), 0.10, 8, Outcome.EQUIVALENT),
        (Scale.RATIO, (0.99, 1.00), 0.10, 8, Outcome.EQUIVALENT),
        (Scale.RATIO, (0.981, 1.02), 0.10, 8, Outcome.EQUIVALENT),  # 1 / 1.02 is 0.9804
        (Scale.RATIO, (0.980, 1.02), 0.10, 8, Outcome.UNDECIDED),
        (Scale.RATIO, (0.981, 1.021), 0.10, 8, Outcome.UNDECIDED),
        (Scale.RATIO, (0.99, 1.00), 0.10, 7, Outcome.TOO_FEW),
        (Scale.RATIO, (2.00, 2.00), 0.10, 8, Outcome.MORE),
        (Scale.RATIO, (2.00, 3.00), 0.10, 7, Outcome.TOO_FEW),
        (Scale.RATIO, (1.00, 1.00), 0.10, 7, Outcome.TOO_FEW),
        (Scale.DIFFERENCE, (0.06, 0.30), 0.05, 8, Outcome.MORE),
        (Scale.DIFFERENCE, (0.05, 0.30), 0.05, 8, Outcome.UNDECIDED),
        (Scale.DIFFERENCE, (-0.30, -0.06), 0.05, 8, Outcome.LESS),
        (Scale.DIFFERENCE, (-0.30, -0.05), 0.05, 8, Outcome.UNDECIDED),
        (Scale.DIFFERENCE, (-0.30, -0.04), 0.05, 8, Outcome.UNDECIDED),
        (Scale.DIFFERENCE, (0.00, 0.00), 0.05, 8, Outcome.EQUAL),
        (Scale.DIFFERENCE, (1.00, 1.00), 0.05, 8, Outcome.MORE),
        (Scale.DIFFERENCE, (0.01, 0.02), 0.00, 8, Outcome.MORE),
    ],
)
def test_outcomes_at_their_edges(
    scale: Scale, interval: tuple[float, float], margin: float, blocks: int, outcome: Outcome
) -> None:
    low, high = interval
    point = (low + high) / 2
    found = Estimate(scale=scale, point=point, low=low, high=high, blocks=blocks, p=0.01)
    assert outcome_of(found, margin) is outcome


def test_what_was_not_measured_has_no_outcome() -> None:
    assert outcome_of(None, 0.0) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("outcome", "more_is_better", "better"),
    [
        (Outcome.LESS, False, -1),
        (Outcome.MORE, False, 1),
        (Outcome.LESS, True, 1),
        (Outcome.MORE, True, -1),
        (Outcome.EQUAL, True, 0),
        (Outcome.UNDECIDED, False, 0),
        (Outcome.TOO_FEW, True, 0),
        (Outcome.UNKNOWN, False, 0),
    ],
)
def test_who_is_better(outcome: Outcome, more_is_better: bool, better: int) -> None:
    found = row(compared(blocks(RING, [{}] * 8), blocks(PERF, [{}] * 8)), "latency_p50_ns")
    assert replace(found, outcome=outcome, more_is_better=more_is_better).better == better


def test_left_is_the_ring_and_right_the_perf_buffers() -> None:
    quick, slow = [{"p50_ns": 1_000}] * 8, [{"p50_ns": 4_000}] * 8
    for ring, perf in ((quick, slow), (slow, quick)):
        for arms in ((RING, ring), (PERF, perf)), ((PERF, perf), (RING, ring)):
            comparison = compared(*(blocks(name, values) for name, values in arms))
            assert (comparison.left.arm, comparison.right.arm) == (RING, PERF)
            assert (comparison.left.transport, comparison.right.transport) == (
                "ringbuf",
                "perfbuf",
            )
            found = row(comparison, "latency_p50_ns")
            assert (found.left, found.right) == pytest.approx(
                (ring[0]["p50_ns"], perf[0]["p50_ns"])
            )
            assert found.estimate is not None
            assert found.estimate.point == pytest.approx(found.left / found.right)
            assert found.better == (-1 if ring is quick else 1)


def test_a_side_is_the_sum_of_its_trials_and_of_no_other() -> None:
    ring = [
        {"dropped": 0, "pairs": 400, "violations": 0},
        {"dropped": 30, "pairs": 250, "violations": 2},
        {"dropped": 5, "pairs": 300, "violations": 1},
    ]
    left_trials = blocks(RING, ring)
    assert left_trials[1].ledger is not None
    left_trials[1] = replace(
        left_trials[1],
        ledger=replace(left_trials[1].ledger, missed=4),
        lost_told={"format_lost": 30, "records": 2},
    )
    comparison = compared(left_trials, blocks(PERF, [{"dropped": 500}] * 2))
    left = comparison.left
    assert (left.trials, left.lossy) == (3, 2)
    assert (left.own_attempted, left.own_delivered, left.own_dropped) == (3_000, 2_965, 35)
    assert (left.causal_pairs, left.fewest_pairs, left.causal_violations) == (950, 250, 3)
    assert left.missed == 4
    assert left.lost_told == {"format_lost": 35, "records": 2}
    assert left.budget_bytes == 65_536
    assert (comparison.right.trials, comparison.right.own_dropped) == (2, 1_000)
    assert comparison.right.lost_told == {"format_lost": 1_000}
    assert (comparison.experiment, comparison.budget) == ("storm", "64KiB")


def test_sums_are_of_the_storms_own_records() -> None:
    trials = blocks(RING, [{"dropped": 10}] * 2)
    for place, each in enumerate(trials):
        assert each.ledger is not None
        others = replace(each.ledger, attempted=9_000, delivered=8_000, dropped=1_000)
        trials[place] = replace(each, ledger=others)
    left = compared(trials, blocks(PERF, [{}] * 2)).left
    assert (left.own_attempted, left.own_delivered, left.own_dropped) == (2_000, 1_980, 20)


def test_trials_without_an_order_count_in_the_others() -> None:
    trials = blocks(RING, [{"pairs": 100, "dropped": 1}] * 2)
    trials[0] = replace(trials[0], ordering=None, latency=None)
    left = compared(trials, blocks(PERF, [{}] * 2)).left
    assert (left.trials, left.own_dropped, left.causal_pairs, left.fewest_pairs) == (2, 2, 100, 100)
    assert left.latency is not None
    assert left.latency.count == 999
    bare = [replace(each, ordering=None, latency=None) for each in trials]
    left = compared(bare, blocks(PERF, [{}] * 2)).left
    assert (left.causal_pairs, left.fewest_pairs, left.latency) == (0, 0, None)


def test_one_lost_record_makes_a_trial_lossy_and_its_shortage_is_named() -> None:
    trials = blocks(RING, [{"dropped": 1}, {}])
    occupancy = Occupancy(
        samples=1, p50_share=0.5, p99_share=1.0, max_share=1.0, consumer_idle_share=0.5
    )
    trials[0] = replace(trials[0], occupancy=occupancy)
    found = compared(trials, blocks(PERF, [{}] * 2))
    assert (found.left.lossy, found.left.bottleneck) == (1, Bottleneck.BUFFER)
    assert (found.right.lossy, found.right.bottleneck) == (0, Bottleneck.NONE)


def test_invalid_trials_are_in_no_sum() -> None:
    bad = trial(RING, 2, state=State.INVALID, reasons=("x",), dropped=999)
    left = compared([*blocks(RING, [{}] * 2), bad], blocks(PERF, [{}] * 2)).left
    assert (left.trials, left.own_dropped) == (2, 0)


def test_values_are_medians_and_shares_means() -> None:
    ring = [{"p50_ns": ns, "dropped": lost} for ns, lost in ((10, 0), (20, 0), (90, 300))]
    found = compared(blocks(RING, ring), blocks(PERF, [{}] * 3))
    assert row(found, "latency_p50_ns").left == pytest.approx(20)
    assert row(found, "own_dropped_share").left == pytest.approx(0.1)
    assert row(found, "own_dropped_share").unit is Unit.SHARE
    assert row(found, "own_dropped_share").group is Group.DROPS
    assert row(found, "own_dropped_share").label


def test_the_reference_is_a_median_too_and_of_shares_a_mean() -> None:
    ring = [{"p50_ns": 3 * ns, "dropped": lost} for ns, lost in ((10, 0), (20, 0), (90, 300))]
    perf = [{"p50_ns": ns, "dropped": lost} for ns, lost in ((10, 30), (20, 0), (90, 0))]
    found = compared(blocks(RING, ring), blocks(PERF, perf))
    latency, dropped = row(found, "latency_p50_ns"), row(found, "own_dropped_share")
    assert (latency.left, latency.right) == pytest.approx((60, 20))
    assert (dropped.left, dropped.right) == pytest.approx((0.1, 0.01))


def test_outcomes_stand_in_documents_by_these_words() -> None:
    assert [outcome.value for outcome in Outcome] == [
        "less",
        "more",
        "same in every block",
        "equivalent",
        "undecided",
        "too few blocks",
        "not measured",
    ]


def test_a_number_that_one_side_lacks_is_unknown_and_both_lack_left_out() -> None:
    ring = blocks(RING, [{"run_ns": 100}] * 8)
    found = compared(ring, blocks(PERF, [{}] * 8))
    per_run = row(found, "kernel_ns_per_run")
    assert (per_run.left, per_run.right, per_run.outcome) == (100, None, Outcome.UNKNOWN)
    assert (per_run.estimate, per_run.floor, per_run.margin) == (None, None, 0.0)
    found = compared(blocks(RING, [{}] * 8), blocks(PERF, [{"run_ns": 100}] * 8))
    per_run = row(found, "kernel_ns_per_run")
    assert (per_run.left, per_run.right, per_run.outcome) == (None, 100, Outcome.UNKNOWN)
    none = compared(blocks(RING, [{}] * 8), blocks(PERF, [{}] * 8))
    assert none.row("kernel_ns_per_run") is None
    with pytest.raises(KeyError):
        none.row("no_such_number")


def test_the_margin_is_the_floor_of_the_same_number_scale_and_experiment() -> None:
    def floor(metric: str, scale: Scale, size: float, experiment: str = "storm") -> Floor:
        return Floor(experiment=experiment, arm=PERF, metric=metric, scale=scale, size=size)

    ring, perf = blocks(RING, [{"p50_ns": 9_000}] * 8), blocks(PERF, [{"p50_ns": 10_000}] * 8)
    mine = floor("latency_p50_ns", Scale.RATIO, 0.08)
    others = (
        floor("latency_p99_ns", Scale.RATIO, 0.5),
        floor("latency_p50_ns", Scale.DIFFERENCE, 900.0),
        floor("latency_p50_ns", Scale.RATIO, 0.9, "burst"),
    )
    found = row(compared(ring, perf, floors=(*others, mine)), "latency_p50_ns")
    assert (found.floor, found.margin, found.outcome) == (mine, 0.08, Outcome.LESS)
    wide = floor("latency_p50_ns", Scale.RATIO, 0.2)  # a tenth lies within it
    found = row(compared(ring, perf, floors=(*others, mine, wide)), "latency_p50_ns")
    assert (found.floor, found.margin, found.outcome) == (wide, 0.2, Outcome.UNDECIDED)
    found = row(compared(ring, perf), "latency_p50_ns")
    assert (found.floor, found.margin, found.outcome) == (None, 0.02, Outcome.LESS)


def test_latencies_are_merged_over_trials_that_delivered() -> None:
    assert merged_latency([]) is None
    longest = merged_latency([trial(RING, 0, p50_ns=1_000), trial(RING, 1, p50_ns=2_000)])
    assert longest is not None
    assert longest.max_ns == 10_000
    trials = [trial(RING, 0, p50_ns=1_000), trial(RING, 1, p50_ns=1_000, dropped=1_000)]
    found = merged_latency(trials)
    assert found is not None
    assert (found.count, found.max_ns) == (1_000, 5_000)
    # The histogram is 1, 2 and 3 us: nearest-rank, each at most a thousandth too high.
    assert (found.p50_ns, found.p90_ns, found.p99_ns, found.p999_ns) == pytest.approx(
        (2_000, 3_000, 3_000, 3_000), rel=1e-3
    )
    assert merged_latency(trials[1:]) is None


def test_percentiles_of_merged_latencies_are_distinguished() -> None:
    from hdrh.histogram import HdrHistogram

    made = HdrHistogram(1, 3_600_000_000_000, 3)
    for latency_ns, count in ((100, 500), (200, 400), (300, 90), (400, 9), (500, 1)):
        made.record_value(latency_ns, count)
    one = trial(RING, 0)
    assert one.latency is not None
    one = replace(one, latency=replace(one.latency, histogram=made.encode().decode()))
    found = merged_latency([one])
    assert found is not None
    assert (found.p50_ns, found.p90_ns, found.p99_ns, found.p999_ns) == (100, 200, 300, 400)


def test_budgets_ascend() -> None:
    trials = [
        each
        for budget in ("1MiB", "8KiB", "128KiB")
        for transport in ("ringbuf", "perfbuf")
        for each in blocks(f"{transport}@{budget}", [{}])
    ]
    found = compare_arms(file([Stretch(trials=trials)])["storm"], ())
    assert [each.budget for each in found] == ["8KiB", "128KiB", "1MiB"]


def test_the_way_of_waiting_is_that_of_all_trials_or_none() -> None:
    ring, perf = blocks(RING, [{}] * 2), blocks(PERF, [{}] * 2)
    assert compared(ring, perf).poll is Poll.EPOLL

    def busy(trials: list[TrialResult]) -> list[TrialResult]:
        consumer = Consumer(poll=Poll.BUSY)
        return [replace(each, config=replace(each.config, consumer=consumer)) for each in trials]

    assert compared(busy(ring), busy(perf)).poll is Poll.BUSY
    assert compared(busy(ring), perf).poll is None
    assert compared(ring, busy(perf)).poll is None
    assert compared(ring, [perf[0], *busy(perf[1:])]).poll is None


def test_blocks_of_unequal_load_count_on_neither_side() -> None:
    def shorter(trials: list[TrialResult]) -> list[TrialResult]:
        return [
            replace(each, config=replace(each.config, storm=replace(each.config.storm, count=500)))
            for each in trials
        ]

    ring = blocks(RING, [{"dropped": 1}, {"dropped": 10}, {"dropped": 100}])
    perf = blocks(PERF, [{"dropped": 2}, {"dropped": 20}, {"dropped": 200}])
    mixed = [*shorter(ring[:1]), *ring[1:], *perf]
    found = compared(mixed)
    assert (found.left.trials, found.left.own_dropped) == (2, 110)
    assert (found.right.trials, found.right.own_dropped) == (2, 220)
    samples = file([Stretch(trials=mixed)])["storm"]
    (unequal,) = unequal_loads(samples)
    assert (unequal.experiment, unequal.left, unequal.right) == ("storm", RING, PERF)
    assert unequal.blocks == 1
    # Where no block is left, there is nothing to compare.
    samples = file([Stretch(trials=[*shorter(ring), *perf])])["storm"]
    assert compare_arms(samples, ()) == ()
    assert [each.blocks for each in unequal_loads(samples)] == [3]
    assert list(unequal_loads(file([Stretch(trials=[*ring, *perf])])["storm"])) == []


def test_a_side_that_has_none_is_shown_as_none_however_its_counterpart_rounds() -> None:
    violations = (525, 522, 523, 523, 530, 522, 522, 524)
    trials = blocks("ringbuf@64KiB", [{"pairs": 2_100}] * 8)
    trials += blocks("perfbuf@64KiB", [{"pairs": 2_100, "violations": v} for v in violations])
    filed = file([Stretch(trials=trials)])
    (comparison,) = compare_arms(filed["storm"], ())
    row = comparison.row("causal_violation_share")
    assert row is not None
    assert row.left == 0
    assert row.right == pytest.approx(sum(violations) / 8 / 2_100)


@given(
    st.floats(0.5, 2.0), st.floats(1.001, 1.5), st.floats(0.0, 0.5), st.sampled_from([0.98, 1.02])
)
def test_what_could_have_been_seen_is_where_verdicts_begin(
    point: float, half: float, margin: float, beyond: float
) -> None:
    """Decide an estimate with the same interval a little beyond it, and not a little before."""
    open_row = ratio_row(point, half, margin)
    assert open_row.resolvable is not None
    edge = 1 + open_row.resolvable
    shifted = ratio_row(edge * beyond, half, margin)
    decided = shifted.outcome is Outcome.MORE
    assert decided == (beyond > 1)


def ratio_row(point: float, half: float, margin: float) -> Compared:
    found = Estimate(
        scale=Scale.RATIO, point=point, low=point / half, high=point * half, blocks=16, p=0.5
    )
    return Compared(
        key="latency_p50_ns",
        label="latency",
        group=Group.LATENCY,
        unit=Unit.NS,
        left=1.0,
        right=1.0,
        estimate=found,
        floor=None,
        margin=margin,
        outcome=outcome_of(found, margin, 0.0),
        more_is_better=False,
    )
