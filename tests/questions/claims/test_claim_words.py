# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Check that what is said beside a verdict agrees with it, and with the trials."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_claims import (
    arm,
    arms,
    cpu,
    dropped,
    evidence,
    finding,
    ladder,
    noisy,
    stranded,
    violations,
)

from bench.questions.claims.claim import Verdict
from bench.trial.result import TrialResult

LATE_NS = 40


def test_losses_shown_beside_their_difference_are_means_too() -> None:
    shares = (0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    made = arms(
        "on-a-timer", dropped, {"perfbuf@64KiB/timed": shares, "perfbuf@64KiB/polled": (0.0,) * 8}
    )
    found = finding("timer-loses-bursts", evidence(made))
    assert found.measured is not None
    assert found.measured.point == pytest.approx(0.3)
    assert "on a timer: 30.0 % lost" in found.details


def test_a_budget_that_was_not_tried_is_not_named() -> None:
    made = ladder("capacity-spread", 64, 256) + ladder("capacity-onecpu", 64, 128)
    details = finding("rb-less-memory", evidence(made)).details
    least = "least lossless budget, median over blocks: rb 64 KiB"
    assert f"capacity-spread, {least}, pb above 128 KiB" in details
    assert f"capacity-onecpu, {least}, pb 128 KiB" in details


@pytest.mark.parametrize(
    ("amplified", "words"),
    [
        (9.0, "beyond the margin of 2 % on average, by itself in 1 of 2 comparisons"),
        (0.1, "not beyond the margin of 2 % on average, by itself in 1 of 2 comparisons"),
    ],
)
def test_a_mean_names_how_many_comparisons_agree(amplified: float, words: str) -> None:
    made = arms("storm", cpu, {"perfbuf@1MiB": noisy(2), "ringbuf@1MiB": noisy(2)[::-1]})
    made += arms(
        "rate-default", cpu, {"perfbuf@1MiB": noisy(amplified), "ringbuf@1MiB": noisy(1.0)[::-1]}
    )
    assert finding("rb-less-consumer-cpu", evidence(made)).reason == words


def test_a_mean_of_comparisons_that_all_agree_has_no_more_words() -> None:
    made = [
        each
        for name in ("storm", "rate-default")
        for each in arms(name, cpu, {"perfbuf@1MiB": noisy(4), "ringbuf@1MiB": noisy(2)[::-1]})
    ]
    assert finding("rb-less-consumer-cpu", evidence(made)).reason == "beyond the margin of 2 %"


def inverted(made: TrialResult, count: float) -> TrialResult:
    """Return a trial with events out of order, and 1,200 causal pairs in order."""
    made = violations(made, 0)
    assert made.ordering is not None
    late_ns = LATE_NS if count else 0
    ordering = replace(made.ordering, inversions=round(count), lateness_p99_ns=late_ns)
    return replace(made, ordering=ordering)


@pytest.mark.parametrize(
    ("chains", "words"),
    [
        ((0,) * 8, "chain: no event is inverted"),
        ((1,) + (0,) * 7, "chain: inverted events are 40 ns late (p99), in 1 of 8 trials"),
        ((1,) * 8, "chain: inverted events are 40 ns late (p99)"),
    ],
)
def test_lateness_is_that_of_inverted_events(chains: tuple[float, ...], words: str) -> None:
    made = arm("chain", "ringbuf@64KiB", inverted, chains)
    made += arm("drain-interval", "ringbuf@1MiB/5ms", inverted, (0,) * 8)
    assert words in finding("rb-order", evidence(made)).details


def test_violations_have_the_interval_of_their_scatter_over_trials() -> None:
    """The pairs of one storm are not independent: their count alone would give 1 point."""
    made = arm("chain", "perfbuf@64KiB", violations, (0, 600) * 4)
    made += arm("drain-interval", "perfbuf@1MiB/1ms", violations, (0, 600) * 4)
    found = finding("pb-reorders", evidence(made))
    assert found.reason == "4,800 parents came before a child that had been reaped"
    assert found.measured is not None
    assert found.measured.point == 0.25
    assert found.measured.high - found.measured.low > 0.2


def test_no_record_left_is_said_once() -> None:
    policies = {"ringbuf@64KiB/adaptive": (0,) * 8, "ringbuf@64KiB/forced": (0,) * 8}
    found = finding("rb-no-missed-wakeup", evidence(arms("last-record", stranded(0), policies)))
    assert found.verdict is Verdict.REPRODUCED
    assert found.reason == "a record was left in 0 of 10,000 bursts (at most 0.03 %)"
