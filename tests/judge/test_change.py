# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what is called a change between two sets of journals, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_trials import blocks, header

from bench.journal.schema import JournalContent, Run
from bench.questions.change.difference import Difference, difference
from bench.questions.change.document import document
from bench.questions.change.journal_set import JournalSet, journal_sets
from bench.report.document import Passing
from bench.trial.result import TrialResult

WOBBLE = (0.97, 1.0, 1.02, 0.99, 1.03, 0.98, 1.01, 1.0)


def one_set(*trials: TrialResult, hostname: str = "here") -> JournalSet:
    run = Run(header=header(hostname), trials=trials)
    (found,) = journal_sets(JournalContent(runs=(run,), faults=()))
    return found


def measured(
    *, dropped: int = 20, p50_ns: int = 10_000, drift: float = 1.0, hostname: str = "here"
) -> JournalSet:
    rings = [
        {"dropped": dropped + at % 3, "p50_ns": round(drift * p50_ns * by)}
        for at, by in enumerate(WOBBLE)
    ]
    perf = [{"dropped": 50, "p50_ns": round(drift * 20_000)} for _ in WOBBLE]
    return one_set(
        *blocks("ringbuf@64KiB", rings), *blocks("perfbuf@64KiB", perf), hostname=hostname
    )


def ladder(lossy: int, highest: int = 20) -> JournalSet:
    """Return a ring that lost something in ``lossy`` of 20 storms at 16 KiB, and perf buffers.

    ``highest``: how many storms there are at 32 KiB.
    """
    rungs = {"8KiB": 20, "16KiB": lossy, "32KiB": 0}
    return one_set(
        *(
            each
            for transport in ("ringbuf", "perfbuf")
            for budget, many in rungs.items()
            for each in blocks(
                f"{transport}@{budget}",
                [
                    {"dropped": int(at < (many if transport == "ringbuf" else 0))}
                    for at in range(highest if budget == "32KiB" else 20)
                ],
            )
        )
    )


def pairs(ring: int, perf: int) -> JournalSet:
    """Return chains with so many violations in every trial, drained early and late."""
    return one_set(
        *(
            each
            for experiment in ("chain", "drain-interval")
            for transport, many in (("ringbuf", ring), ("perfbuf", perf))
            for each in blocks(
                f"{transport}@64KiB",
                [{"violations": many + at if many else 0} for at in range(8)],
                experiment=experiment,
                pairs=1_344,
            )
        )
    )


def keys(found: Difference, *, worse: bool) -> set[str]:
    return {change.key for change in found.numbers if change.worse is worse}


def test_the_same_twice_is_no_change() -> None:
    found = difference(measured(), measured())
    assert found.changed == 0
    assert found.compared_numbers > 5
    assert found.compared_counts == 2


def test_a_machine_that_became_slower_is_no_change() -> None:
    assert difference(measured(), measured(drift=1.4)).changed == 0


def test_another_machine_three_times_as_slow_is_no_change() -> None:
    assert difference(measured(), measured(drift=3.0, hostname="there")).changed == 0


def test_a_transport_that_became_slower_is_a_regression_and_the_other_way_none() -> None:
    worse = difference(measured(), measured(p50_ns=16_000))
    assert "latency_p50_ns" in keys(worse, worse=True)
    better = difference(measured(p50_ns=16_000), measured())
    assert "latency_p50_ns" in keys(better, worse=False)
    assert better.regressions == 0


def test_more_drops_are_a_regression_as_ratio_and_as_count() -> None:
    found = difference(measured(), measured(dropped=200))
    assert {"own_dropped_share", "own_delivered_per_s"} <= keys(found, worse=True)
    (count,) = found.counts
    assert (count.arm, count.key, count.worse) == ("ringbuf@64KiB", "own_dropped_share", True)
    assert (count.before, count.after) == pytest.approx((0.020875, 0.200875))


def test_times_are_compared_as_ratios_only() -> None:
    # A ring without any sort window against perf buffers with one: no ratio, and 1.5 times as
    # long on a machine that is slow today.
    def windows(by: float) -> JournalSet:
        perf = [{"window_ns": round(by * (1_000_000 + at))} for at in range(8)]
        return one_set(
            *blocks("ringbuf@64KiB", [{"window_ns": 0}] * 8), *blocks("perfbuf@64KiB", perf)
        )

    found = difference(windows(1.0), windows(1.5))
    assert found.changed == 0
    assert found.compared_numbers > 5


def test_a_lossless_budget_that_moved_is_a_change_beyond_chance_only() -> None:
    (slight,) = difference(ladder(0), ladder(1)).budgets
    assert (slight.before_bytes, slight.after_bytes) == (16 * 1024, 32 * 1024)
    assert not slight.sure
    found = difference(ladder(0), ladder(12))
    (clear,) = found.budgets
    assert (clear.sure, clear.worse) == (True, True)
    assert found.regressions >= 1
    (back,) = difference(ladder(12), ladder(0)).budgets
    assert (back.sure, back.worse) == (True, False)


def test_a_lossless_budget_that_is_not_known_has_not_moved() -> None:
    assert difference(ladder(0), ladder(0, highest=19)).budgets == ()
    assert difference(ladder(12, highest=19), ladder(12)).budgets == ()


def test_a_claim_whose_verdict_turned_is_named() -> None:
    found = difference(pairs(0, 40), pairs(30, 40))
    turned = {change.id: change for change in found.claims}
    assert (turned["rb-order"].sure, turned["rb-order"].worse) == (True, True)
    assert found.regressions >= 2  # the claim, and the violations themselves
    back = difference(pairs(30, 40), pairs(0, 40))
    assert back.regressions == 0
    assert {change.id for change in back.claims if change.sure} >= {"rb-order"}


def test_what_only_one_set_has_is_named() -> None:
    other = one_set(*blocks("ringbuf@8KiB", [{}] * 8), *blocks("perfbuf@8KiB", [{}] * 8))
    found = difference(measured(), other)
    assert found.compared_numbers == 0
    assert found.left_out.only_before == ("storm at 64KiB, ringbuf against perfbuf",)
    assert found.left_out.only_after == ("storm at 8KiB, ringbuf against perfbuf",)
    said = [str(part.text) for part in document([measured()], [other], found).parts[2:]]
    assert "only in A: ringbuf against perfbuf in storm at 64 KiB" in said


def test_what_only_one_set_has_is_listed_by_size_under_its_sides() -> None:
    budgets = ("128KiB", "16KiB", "1MiB")
    more = one_set(
        *(
            each
            for size in budgets
            for arm in ("ringbuf", "perfbuf")
            for each in blocks(f"{arm}@{size}", [{}] * 8)
        )
    )
    said = [
        str(part.text)
        for part in document([measured()], [more], difference(measured(), more)).parts[2:]
    ]
    assert (
        "only in B: ringbuf against perfbuf in storm at 16 KiB, storm at 128 KiB, storm at 1 MiB"
        in said
    )


def test_variants_of_one_budget_are_kept_apart() -> None:
    def forced(p50_ns: int) -> JournalSet:
        return one_set(
            *blocks("ringbuf@64KiB", [{"p50_ns": 10_000}] * 8),
            *blocks("perfbuf@64KiB", [{"p50_ns": 20_000}] * 8),
            *blocks("ringbuf@64KiB/forced", [{"p50_ns": p50_ns}] * 8),
            *blocks("perfbuf@64KiB/forced", [{"p50_ns": 20_000}] * 8),
        )

    found = difference(forced(10_000), forced(15_000))
    assert {change.variant for change in found.numbers} == {"forced"}


def test_other_questions_under_one_name_are_not_compared() -> None:
    asked = one_set(*blocks("ringbuf@64KiB", [{}] * 8), *blocks("perfbuf@64KiB", [{}] * 8))
    longer = one_set(
        *blocks("ringbuf@64KiB", [{"count": 4_000}] * 8),
        *blocks("perfbuf@64KiB", [{"count": 4_000}] * 8),
    )
    found = difference(asked, longer)
    assert (found.compared_numbers, found.compared_counts) == (0, 0)
    assert found.left_out.unlike == ("storm at 64KiB, ringbuf against perfbuf",)


def test_few_blocks_make_no_change() -> None:
    few = one_set(
        *blocks("ringbuf@64KiB", [{"dropped": 500}] * 7), *blocks("perfbuf@64KiB", [{}] * 7)
    )
    found = difference(measured(), few)
    assert found.changed == 0
    assert found.left_out.too_few_blocks > 0


def test_one_disturbed_trial_of_eight_is_no_change() -> None:
    calm = one_set(*blocks("ringbuf@64KiB", [{}] * 8), *blocks("perfbuf@64KiB", [{}] * 8))
    trials = [*blocks("ringbuf@64KiB", [{}] * 8), *blocks("perfbuf@64KiB", [{}] * 8)]
    disturbed = blocks("ringbuf@64KiB", [{"dropped": 900, "p50_ns": 900_000}])[0]
    assert difference(calm, one_set(replace(disturbed, block=0), *trials[1:])).changed == 0


def test_what_got_worse_is_a_failed_check_and_what_got_better_a_passed_one() -> None:
    sets = [measured(dropped=200), measured(dropped=20)]
    for before, after, outcome in ((*sets, Passing.PASSED), (*sets[::-1], Passing.FAILED)):
        found = document([before], [after], difference(before, after)).checks
        assert {each.outcome for each in found} == {outcome}
        assert found[0].name == "no regression"
        assert len(found) > 1
