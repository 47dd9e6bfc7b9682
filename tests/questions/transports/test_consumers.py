# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show what several consumers change, where one drained the same buffers in the same blocks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from made_up_trials import blocks
from rendered import run_json, run_text

from bench.judge.comparison import Outcome
from bench.questions.transports.document import document
from bench.questions.transports.summary import Summary, compare
from bench.report.document import Level, Table
from bench.trial.result import TrialResult

ONE, FOUR = "sharded:rings=4@64KiB", "sharded:rings=4@64KiB/consumers=4"


def drained(arm: str, threads: int, *, p50_ns: int, cpu_ns: int) -> list[TrialResult]:
    """Return eight trials of an arm that so many consumers drained."""
    found = blocks(arm, [{"p50_ns": p50_ns, "consumer_cpu_ns": cpu_ns}] * 8)
    return [
        replace(
            each,
            config=replace(each.config, consumer=replace(each.config.consumer, threads=threads)),
        )
        for each in found
    ]


def summary(*, threads: int = 4, p50_ns: int = 10_000, cpu_ns: int = 3_000_000) -> Summary:
    """Compare four consumers, by default sooner and dearer ones, with one."""
    perf = drained("perfbuf@64KiB", 1, p50_ns=30_000, cpu_ns=2_000_000)
    one = drained(ONE, 1, p50_ns=20_000, cpu_ns=2_000_000)
    return compare([*perf, *one, *drained(FOUR, threads, p50_ns=p50_ns, cpu_ns=cpu_ns)])


def test_the_answer_says_what_either_side_has() -> None:
    said = " ".join(run_text(summary()).split())
    assert (
        "Consumers: 4 rings for all CPUs, storm at 64 KiB: 4 consumers for sooner delivery "
        "(10.0 µs against 20.0 µs) and a lower 99th percentile (30.0 µs against 60.0 µs); "
        "1 consumer for less CPU (2.00 s against 3.00 s)."
    ) in said


def test_a_table_has_the_numbers() -> None:
    lines = [" ".join(each.split()) for each in run_text(summary()).splitlines()]
    begin = lines.index("Consumers: 4 rings for all CPUs, storm at 64 KiB")
    table = " ".join(lines[begin : begin + 12])
    assert "latency p50 10.0 µs 20.0 µs x 0.500" in table
    assert "consumer CPU per million 3.00 s 2.00 s x 1.50 1.50 .. 1.50 1 consumer" in table


def test_alike_consumers_are_named_as_such() -> None:
    said = " ".join(run_text(summary(p50_ns=20_000, cpu_ns=2_000_000)).split())
    assert "storm at 64 KiB: no number names 4 or 1 as better." in said


def test_json_has_the_comparison() -> None:
    (found,) = json.loads(run_json(summary()))["summaries"]
    (several,) = found["consumers"]
    assert (several["left"]["arm"], several["right"]["arm"]) == (FOUR, ONE)
    assert several["numbers"]["latency_p50_ns"]["estimate"]["point"] == pytest.approx(0.5, rel=0.01)


def test_each_is_compared_with_the_perf_buffers_as_well_under_its_own_name() -> None:
    perf = drained("perfbuf@64KiB/consumers=4", 4, p50_ns=30_000, cpu_ns=2_000_000)
    found = summary()
    trials = [*perf, *drained(FOUR, 4, p50_ns=10_000, cpu_ns=2_000_000)]
    assert "storm at 64 KiB, consumers=4" in run_text(compare(trials))
    assert {each.left.arm for each in found.comparisons} == {ONE}


def test_without_several_nothing_is_said() -> None:
    found = summary(threads=1)
    assert found.consumers == ()
    parts = document(found).up_to(Level.EVIDENCE).parts
    assert not any("onsumers" in part.title for part in parts if isinstance(part, Table))


def test_sides_that_differ_in_more_are_not_compared() -> None:
    slow = [
        replace(
            each,
            config=replace(each.config, consumer=replace(each.config.consumer, cost_ns=500)),
        )
        for each in drained(FOUR, 4, p50_ns=10_000, cpu_ns=2_000_000)
    ]
    one = drained(ONE, 1, p50_ns=20_000, cpu_ns=2_000_000)
    found = compare([*one, *slow])
    assert found.consumers == ()
    assert not [each for each in found.comparisons if each.rows[0].outcome is Outcome.UNKNOWN]
