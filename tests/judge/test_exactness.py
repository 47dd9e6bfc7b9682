# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test how exact latencies are where records shared stamps."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from made_up_trials import blocks, row, trial

from bench.judge.comparison import Comparison, Outcome, compare_arms
from bench.judge.filing import file
from bench.judge.samples import Stretch
from bench.measure.latency import Percentiles
from bench.plan.config import Duet
from bench.questions.transports.tables import comparison_table
from bench.report.document import NONE
from bench.trial.result import Half, TrialResult


def arm(name: str, p50_ns: int, error_ns: int | None) -> list[TrialResult]:
    """Return eight trials whose percentiles are too long by ``error_ns`` and its multiples."""
    error = None
    if error_ns is not None:
        p90, p99, p999, longest = (error_ns * times for times in (2, 3, 4, 5))
        error = Percentiles(
            count=100, p50_ns=error_ns, p90_ns=p90, p99_ns=p99, p999_ns=p999, max_ns=longest
        )
    trials = blocks(name, [{"p50_ns": p50_ns}] * 8)
    return [
        replace(each, latency=replace(each.latency, error=error))
        for each in trials
        if each.latency is not None
    ]


def compared(ring_error_ns: int | None, ring_ns: int = 9_500) -> Comparison:
    trials = [*arm("ringbuf@64KiB", ring_ns, ring_error_ns), *arm("perfbuf@64KiB", 10_000, None)]
    (found,) = compare_arms(file([Stretch(trials=trials)])["storm"], ())
    return found


@pytest.mark.parametrize("error_ns", [None, 0, 100])
def test_a_difference_beyond_the_error_counts(error_ns: int | None) -> None:
    found = row(compared(error_ns), "latency_p50_ns")
    assert (found.margin, found.outcome) == (0.02, Outcome.LESS)


def test_a_difference_that_shared_stamps_may_make_does_not_count() -> None:
    found = row(compared(1_000), "latency_p50_ns")
    assert found.margin == pytest.approx(1_000 / 8_500)
    assert found.outcome is Outcome.UNDECIDED


def test_equal_latencies_are_equivalent_only_where_they_are_known_so_well() -> None:
    assert row(compared(0, 9_990), "latency_p50_ns").outcome is Outcome.EQUIVALENT
    assert row(compared(1_000, 9_990), "latency_p50_ns").outcome is Outcome.UNDECIDED


@pytest.mark.parametrize("ratio", [1.0, 1.05])
def test_reading_is_neither_equal_nor_another_within_what_runs_differ_by(ratio: float) -> None:
    trials = []
    for block, (name, factor) in product(
        range(12), (("ringbuf@64KiB", ratio), ("perfbuf@64KiB", 1))
    ):
        made = trial(name, block)
        half = Half(
            second=name.startswith("perfbuf"),
            key=1,
            swapped=False,
            ranks=None,
            washed_out=0,
            reading_ns=round(1e6 * (factor + 0.001 * (block % 3 - 1) * name.startswith("ring"))),
        )
        trials.append(replace(made, config=replace(made.config, duet=Duet()), half=half))
    (found,) = compare_arms(file([Stretch(trials=trials)])["storm"], ())
    reading = row(found, "read_ns")
    assert reading.estimate is not None
    assert reading.estimate.point == pytest.approx(ratio)
    assert reading.estimate.half_width < 0.01
    assert reading.outcome is Outcome.UNDECIDED
    assert reading.resolvable is not None
    assert reading.resolvable >= 0.1


def test_other_numbers_have_no_such_margin() -> None:
    found = compared(1_000)
    margins = {each.key: each.margin for each in found.rows if each.estimate is not None}
    wider = {key for key, margin in margins.items() if margin > 0.02}
    assert wider == {f"latency_{name}_ns" for name in ("p50", "p90", "p99", "p999", "max")}


def test_the_table_says_how_much_too_long_they_may_be() -> None:
    def texts(found: Comparison) -> dict[str, list[str]]:
        table = comparison_table("key", found)
        return {each.heading.text: [cell.text for cell in each.cells] for each in table.rows}

    label = "p50, p99 too long by at most"
    assert texts(compared(100))[label][:2] == ["100 ns, 300 ns", NONE]
    assert label not in texts(compared(None))
