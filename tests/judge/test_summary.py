# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the way from trials to comparisons: pairing by block, what counts, and who is ahead."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from made_up_trials import blocks, header, machine, row, trial

from bench.errors import JournalError
from bench.journal.schema import Fault, JournalContent, Run
from bench.judge.comparison import Comparison, Outcome
from bench.judge.statistics import Scale
from bench.questions.transports.standing import Question, Standing
from bench.questions.transports.summary import Summary, compare, compare_journals
from bench.trial.result import State, TrialResult

NOISE = (0.99, 1.02, 1.0, 1.01, 0.98, 1.0, 1.03, 0.97)
RING, PERF = "ringbuf@64KiB", "perfbuf@64KiB"


def only(trials: list[TrialResult]) -> Comparison:
    (comparison,) = compare(trials, machine()).comparisons
    return comparison


def standing(summary: Summary, question: Question) -> Standing:
    return next(each for each in summary.standings if each.question is question)


def test_drops_are_compared_as_shares_of_what_was_attempted() -> None:
    comparison = only(
        blocks(RING, [{"dropped": 10}] * 8) + blocks(PERF, [{"dropped": 100}, {"dropped": 140}] * 4)
    )
    dropped = row(comparison, "own_dropped_share")
    assert (dropped.left, dropped.right) == (pytest.approx(0.01), pytest.approx(0.12))
    assert dropped.estimate is not None
    assert dropped.estimate.scale is Scale.DIFFERENCE
    assert dropped.estimate.point == pytest.approx(-0.11)
    assert (dropped.outcome, dropped.better) == (Outcome.LESS, -1)
    assert (comparison.left.own_dropped, comparison.right.own_dropped) == (80, 960)
    assert (comparison.left.lossy, comparison.right.lossy) == (8, 8)
    assert comparison.left.lost_told == {"format_lost": 80}


def test_nothing_against_nothing_is_no_difference() -> None:
    dropped = row(only(blocks(RING, [{}] * 8) + blocks(PERF, [{}] * 8)), "own_dropped_share")
    assert (dropped.outcome, dropped.better) == (Outcome.EQUAL, 0)


def test_seven_blocks_give_no_verdict() -> None:
    comparison = only(blocks(RING, [{}] * 7) + blocks(PERF, [{"dropped": 500}] * 7))
    assert {each.outcome for each in comparison.rows} <= {Outcome.TOO_FEW}


def test_blocks_are_paired_and_not_averaged_over_time() -> None:
    # The machine slows down fourfold half-way; within each block the ring is 10 % quicker.
    speeds = [1.0] * 4 + [4.0] * 4
    comparison = only(
        blocks(RING, [{"storm_ms": 90 * speed} for speed in speeds])
        + blocks(PERF, [{"storm_ms": 100 * speed} for speed in speeds])
    )
    storm = row(comparison, "storm_ns_per_process")
    assert storm.estimate is not None
    assert storm.estimate.low == pytest.approx(0.9)
    assert storm.estimate.high == pytest.approx(0.9)
    assert storm.outcome is Outcome.LESS


def test_a_block_that_one_side_lacks_is_left_out() -> None:
    trials = blocks(RING, [{"p50_ns": 100}] * 9) + blocks(PERF, [{"p50_ns": 200}] * 8)
    latency = row(only(trials), "latency_p50_ns")
    assert latency.estimate is not None
    assert latency.estimate.blocks == 8


def test_an_invalid_trial_is_named_and_never_averaged_in() -> None:
    bad = trial(RING, 8, state=State.INVALID, reasons=("CPU 0: 1 record is gone",), dropped=999)
    trials = blocks(RING, [{}] * 8) + blocks(PERF, [{}] * 9)
    summary = compare([*trials, bad])
    assert summary.invalid == (bad,)
    assert summary.comparisons == compare(trials).comparisons
    (tally,) = summary.tallies
    assert (tally.valid, tally.invalid) == (17, 1)
    assert summary.trials == 18


def test_disturbed_and_noisy_trials_count_and_are_reported() -> None:
    trials = blocks(RING, [{"state": State.DISTURBED}] * 8) + blocks(
        PERF, [{"state": State.NOISY}] * 8
    )
    summary = compare(trials)
    (tally,) = summary.tallies
    assert (tally.valid, tally.disturbed, tally.noisy) == (0, 8, 8)
    assert summary.comparisons[0].left.trials == 8


def test_within_the_margin_is_no_difference() -> None:
    times = [{"storm_ms": 100 * noise} for noise in NOISE]
    quicker = [{"storm_ms": 99 * noise} for noise in NOISE]  # 1 %, below the margin of 2 %
    storm = row(only(blocks(RING, quicker) + blocks(PERF, times)), "storm_ns_per_process")
    assert storm.outcome is Outcome.EQUIVALENT
    assert storm.margin == 0.02
    assert storm.floor is None


def test_the_margin_is_what_the_same_differs_from_itself_by() -> None:
    base = [{"storm_ms": 100.0}] * 8
    noisy = [{"storm_ms": 100.0}] * 2 + [{"storm_ms": 125.0}] * 6
    trials = (
        blocks(RING, [{"storm_ms": 90.0}] * 8)  # 10 % quicker, and steadily so
        + blocks(PERF, base)
        + blocks(f"{PERF}#2", noisy)
    )
    storm = row(only(trials), "storm_ns_per_process")
    assert storm.floor is not None
    assert storm.floor.arm == PERF
    assert storm.margin == pytest.approx(0.25)
    assert storm.outcome is Outcome.UNDECIDED


def test_an_experiment_without_a_twin_borrows_the_largest_floor() -> None:
    twin = [{"storm_ms": 110.0}] * 8
    trials = (
        blocks(PERF, [{}] * 8)
        + blocks(f"{PERF}#2", twin)
        + blocks(RING, [{}] * 8, experiment="burst")
        + blocks(PERF, [{}] * 8, experiment="burst")
    )
    storm = row(only(trials), "storm_ns_per_process")
    assert storm.floor is not None
    assert storm.floor.experiment == "storm"
    assert storm.margin == pytest.approx(0.1)


def test_the_same_against_itself_comes_out_without_a_verdict() -> None:
    draw = random.Random(5)

    def arm(name: str) -> list[TrialResult]:
        return blocks(
            name,
            [
                {
                    "storm_ms": draw.lognormvariate(4.6, 0.05),
                    "p50_ns": round(draw.lognormvariate(9, 0.2)),
                    "dropped": round(draw.gauss(100, 10)),
                }
                for _ in range(12)
            ],
        )

    for _ in range(10):
        names = (RING, PERF, f"{RING}#2", f"{PERF}#2")
        summary = compare([each for name in names for each in arm(name)])
        for question in (Question.DROPS, Question.LATENCY, Question.CPU):
            found = standing(summary, question)
            assert (found.for_left, found.for_right) == ((), ())


def test_slow_down_is_over_the_baseline_of_the_same_block() -> None:
    speeds = [1.0, 2.0] * 4
    trials = [
        each
        for arm, ms in (("none", 100), ("noop", 110), (RING, 132), (PERF, 165))
        for each in blocks(arm, [{"storm_ms": ms * speed} for speed in speeds])
    ]
    comparison = only(trials)
    over_none, over_noop = row(comparison, "storm_over_none"), row(comparison, "storm_over_noop")
    assert (over_none.left, over_none.right) == (pytest.approx(1.32), pytest.approx(1.65))
    assert (over_noop.left, over_noop.right) == (pytest.approx(1.2), pytest.approx(1.5))


def test_costs_are_given_net_of_wake_ups() -> None:
    # 500 of 1,000 events raise one of 1,000 ns, on 2 CPUs: 250 ns of 100,000 a process.
    trials = blocks(RING, [{"run_ns": 2_000}] * 8) + blocks(PERF, [{"run_ns": 3_000}] * 8)
    comparison = only(trials)
    assert row(comparison, "storm_net_ns_per_process").left == pytest.approx(99_750)
    assert row(comparison, "kernel_net_ns_per_run").left == pytest.approx(1_500)
    # Ten records an exit: ten times as many wake-ups a process, for as many records.
    tenfold = [
        replace(each, storm=replace(each.storm, made=100, reaped=100, exit_statuses={0: 100}))
        for each in trials
    ]
    assert row(only(tenfold), "storm_net_ns_per_process").left == pytest.approx(997_500)
    (without,) = compare(trials).comparisons  # a machine whose wake-ups were not measured
    assert without.row("storm_net_ns_per_process") is None


def test_a_number_that_can_be_zero_is_compared_by_its_difference() -> None:
    window = row(
        only(blocks(RING, [{}] * 8) + blocks(PERF, [{"window_ns": 5_000}] * 8)), "window_ns"
    )
    assert window.estimate is not None
    assert (window.estimate.scale, window.estimate.point) == (Scale.DIFFERENCE, -5_000)
    assert window.better == -1


def test_more_delivered_is_better() -> None:
    delivered = row(
        only(blocks(RING, [{"dropped": 100}] * 8) + blocks(PERF, [{"dropped": 500}] * 8)),
        "own_delivered_per_s",
    )
    assert (delivered.outcome, delivered.better) == (Outcome.MORE, -1)


def test_latencies_of_all_blocks_are_merged() -> None:
    left = only(
        blocks(RING, [{"p50_ns": 1_000}] * 4 + [{"p50_ns": 9_000}] * 4) + blocks(PERF, [{}] * 8)
    ).left.latency
    assert left is not None
    assert left.count == 8_000
    assert left.max_ns == 45_000
    assert left.p50_ns == pytest.approx(3_000, rel=0.002)  # 1, 2, 3 and 9, 18, 27 us


def test_a_damaged_histogram_is_one_clear_line() -> None:
    trials = blocks(RING, [{}] * 8) + blocks(PERF, [{}] * 8)
    assert trials[0].latency is not None
    trials[0] = replace(trials[0], latency=replace(trials[0].latency, histogram="nonsense"))
    with pytest.raises(JournalError, match="cannot be decoded"):
        compare(trials)


def test_perf_sizes_below_and_above_are_both_compared() -> None:
    trials = [
        each
        for arm in (RING, "perfbuf@64KiB(48KiB)", "perfbuf@64KiB(96KiB)")
        for each in blocks(arm, [{}] * 8)
    ]
    found = compare(trials).comparisons
    assert [each.right.budget_bytes for each in found] == [48 * 1024, 96 * 1024]


def test_order_is_judged_only_on_enough_causal_pairs() -> None:
    few = blocks(RING, [{"pairs": 10}] * 8) + blocks(PERF, [{"pairs": 10, "violations": 9}] * 8)
    many = blocks(RING, [{"pairs": 1_500}] * 8, experiment="chain") + blocks(
        PERF,
        [{"pairs": 1_500, "violations": v} for v in (3, 9, 4, 5, 8, 7, 6, 5)],
        experiment="chain",
    )
    order = standing(compare(few + many), Question.ORDER)
    assert [each.experiment for each in order.for_left] == ["chain"]
    assert order.considered == 1


def test_latency_is_judged_only_where_nothing_was_dropped() -> None:
    quick = [{"p50_ns": 1_000, "dropped": 1}] + [{"p50_ns": 1_000}] * 7
    summary = compare(blocks(RING, quick) + blocks(PERF, [{}] * 8))
    assert standing(summary, Question.LATENCY).considered == 0


def test_both_sides_may_win_somewhere() -> None:
    summary = compare(
        blocks("ringbuf@8KiB", [{"dropped": 1}] * 8)
        + blocks("perfbuf@8KiB", [{"dropped": 50}] * 8)
        + blocks(RING, [{"dropped": 50}] * 8)
        + blocks(PERF, [{"dropped": 1}] * 8)
    )
    drops = standing(summary, Question.DROPS)
    assert [each.budget for each in drops.for_left] == ["8KiB"]
    assert [each.budget for each in drops.for_right] == ["64KiB"]


def test_budgets_are_in_order_of_size() -> None:
    trials = [
        each
        for budget in ("1MiB", "8KiB", "64KiB")
        for transport in ("ringbuf", "perfbuf")
        for each in blocks(f"{transport}@{budget}", [{}] * 8)
    ]
    assert [each.budget for each in compare(trials).comparisons] == ["8KiB", "64KiB", "1MiB"]


def test_one_transport_alone_is_compared_with_nothing() -> None:
    summary = compare(blocks(RING, [{}] * 8))
    assert summary.comparisons == summary.standings == ()
    assert compare([]).comparisons == ()


def test_the_least_budget_without_a_loss() -> None:
    def rung(transport: str, budget: str, lossy: int, storms: int = 20) -> list[TrialResult]:
        lost = [{"dropped": 1}] * lossy + [{}] * (storms - lossy)
        return blocks(f"{transport}@{budget}", lost, experiment="ladder")

    summary = compare(
        rung("ringbuf", "8KiB", 3)
        + rung("ringbuf", "16KiB", 0)
        + rung("ringbuf", "32KiB", 0)
        # Lossless at 8 KiB by luck: with a loss above it, that is no minimum.
        + rung("perfbuf", "8KiB", 0)
        + rung("perfbuf", "16KiB", 1)
        + rung("perfbuf", "32KiB", 1)
    )
    ring, perf = summary.ladders
    assert (ring.transport, ring.minimum_bytes) == ("ringbuf", 16 * 1024)
    assert ring.recommended_bytes == 32 * 1024
    assert [each.lossy for each in ring.rungs] == [3, 0, 0]
    assert ring.rungs[1].bound == pytest.approx(0.139, abs=1e-3)
    assert (perf.transport, perf.minimum_bytes, perf.recommended_bytes) == ("perfbuf", None, None)


def test_eight_storms_make_no_ladder() -> None:
    trials = blocks("ringbuf@8KiB", [{}] * 8) + blocks("ringbuf@64KiB", [{}] * 8)
    assert compare(trials).ladders == ()


def run(hostname: str, trials: list[TrialResult]) -> Run:
    return Run(header=header(hostname), trials=tuple(trials))


def test_each_machine_has_its_own_summary() -> None:
    trials = blocks(RING, [{}] * 8) + blocks(PERF, [{}] * 8)
    fault = Fault(path="x", line=3, reason="torn")
    content = JournalContent(runs=(run("a", trials), run("b", trials)), faults=(fault,))
    first, second = compare_journals(content)
    assert first.machine is not None
    assert second.machine is not None
    assert (first.machine.hostname, second.machine.hostname) == ("a", "b")
    assert (first.faults, second.faults) == ((fault,), ())


def test_runs_of_one_machine_lie_block_beside_block() -> None:
    # Run 2 is twice as slow throughout; blocks of different runs must never be paired.
    def whole(speed: float) -> list[TrialResult]:
        return blocks(RING, [{"storm_ms": 50 * speed}] * 4) + blocks(
            PERF, [{"storm_ms": 100 * speed}] * 4
        )

    content = JournalContent(runs=(run("a", whole(1)), run("a", whole(2))), faults=())
    (summary,) = compare_journals(content)
    storm = row(summary.comparisons[0], "storm_ns_per_process")
    assert storm.estimate is not None
    assert storm.estimate.blocks == 8
    assert (storm.estimate.low, storm.estimate.high) == (pytest.approx(0.5), pytest.approx(0.5))


def test_one_name_for_two_configurations_is_kept_apart() -> None:
    small = blocks(RING, [{"count": 10}] * 8) + blocks(PERF, [{"count": 10}] * 8)
    large = blocks(RING, [{"count": 99}] * 8) + blocks(PERF, [{"count": 99}] * 8)
    content = JournalContent(runs=(run("a", small), run("a", large)), faults=())
    assert len(compare_journals(content)) == 2
