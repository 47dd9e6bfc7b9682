# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Tabulate what restores order where perf buffers were out of order, and say it in a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_trials import blocks, header
from rendered import run_json, run_text, text

from bench.journal.reader import read_journal
from bench.journal.schema import JournalContent, Run
from bench.journal.writer import JournalWriter
from bench.judge.numbers import number
from bench.measure.restoring import IDLE_NS, Restored, Sorting
from bench.questions.transports.document import document
from bench.questions.transports.summary import Summary, compare, compare_journals
from bench.report.document import Level, Table
from bench.trial.result import TrialResult

PAIRS = 1_200


def sorted_in(by: Sorting, *, hold_ns: int = 0, left: int = 0, p50_ns: int = 0) -> Restored:
    return Restored(
        by=by,
        hold_ns=hold_ns,
        records=2_000,
        cpu_ns=80_000,
        held_peak=100,
        held_bytes=8_192,
        added_p50_ns=p50_ns,
        added_p99_ns=3 * p50_ns,
        inversions=2 * left,
        causal_pairs=PAIRS,
        causal_violations=left,
    )


def perf(violations: int) -> list[TrialResult]:
    """Return eight trials, the heap of which needs 5 to 12 ms."""
    found = blocks("perfbuf@64KiB", [{"pairs": PAIRS, "violations": violations}] * 8)
    return [
        replace(
            trial,
            restored=(
                sorted_in(Sorting.MERGE, left=2, p50_ns=10_000),
                sorted_in(Sorting.HEAP, hold_ns=(5 + trial.block) * 10**6, p50_ns=4_000_000),
                sorted_in(Sorting.WATERMARK, hold_ns=IDLE_NS, left=1, p50_ns=2_000_000),
            ),
        )
        for trial in found
    ]


def summary(perf_trials: list[TrialResult]) -> Summary:
    ring = blocks("ringbuf@64KiB", [{"pairs": PAIRS}] * 8)
    return compare([*ring, *perf_trials])


def test_the_answer_on_order_says_what_sorting_takes() -> None:
    said = " ".join(run_text(summary(perf(40))).split())
    assert (
        "Order restored: the perf buffers sorted by a heap, hold-back up to 12.0 ms (median "
        "8.50 ms): 0 violations in 9,600 causal pairs, at +4.00 ms median latency; merged by CPU "
        "without hold-back: 16 (storm at 64 KiB)."
    ) in said


def test_a_heap_without_hold_back_is_named_as_such() -> None:
    trials = [
        replace(each, restored=(each.restored[0], sorted_in(Sorting.HEAP), each.restored[2]))
        for each in perf(40)
    ]
    said = " ".join(run_text(summary(trials)).split())
    assert "sorted by a heap, no hold-back needed: 0 violations" in said


def test_each_way_has_a_row_between_perf_buffers_and_ring() -> None:
    lines = run_text(summary(perf(40))).splitlines()
    begin = next(at for at, line in enumerate(lines) if "and sorting, storm at 64 KiB" in line)
    rows = [" ".join(line.split()) for line in lines[begin + 3 : begin + 8]]
    assert rows == [
        "perf buffers none - - - - 320",
        "+ merge none +10.0 µs +30.0 µs 8 KiB 40.0 ms 16",
        "+ heap 8.50 ms (12.0 ms) +4.00 ms +12.0 ms 8 KiB 40.0 ms 0",
        "+ watermark 20.0 ms +2.00 ms +6.00 ms 8 KiB 40.0 ms 8",
        "ring none - - - - 0",
    ]


def test_fixed_hold_backs_stand_before_the_least_one() -> None:
    fixed = (
        sorted_in(Sorting.HEAP_1MS, hold_ns=1_000_000, left=4, p50_ns=900_000),
        sorted_in(Sorting.HEAP_10MS, hold_ns=10_000_000, left=1, p50_ns=9_900_000),
        sorted_in(Sorting.HEAP_100MS, hold_ns=100_000_000, p50_ns=99_000_000),
    )
    found = summary([replace(each, restored=each.restored + fixed) for each in perf(40)])
    lines = run_text(found).splitlines()
    begin = next(at for at, line in enumerate(lines) if "and sorting, storm at 64 KiB" in line)
    rows = [" ".join(line.split()) for line in lines[begin + 3 : begin + 11]]
    assert rows[1:6] == [
        "+ merge none +10.0 µs +30.0 µs 8 KiB 40.0 ms 16",
        "+ heap, fixed 1.00 ms +900 µs +2.70 ms 8 KiB 40.0 ms 32",
        "+ heap, fixed 10.0 ms +9.90 ms +29.7 ms 8 KiB 40.0 ms 8",
        "+ heap, fixed 100 ms +99.0 ms +297 ms 8 KiB 40.0 ms 0",
        "+ heap 8.50 ms (12.0 ms) +4.00 ms +12.0 ms 8 KiB 40.0 ms 0",
    ]
    brief = text(document(found).up_to(Level.DECISION))
    assert "fixed" not in brief
    assert brief.count("\n") < 40


def test_the_brief_report_has_one_table_without_blank_lines() -> None:
    brief = document(summary(perf(40))).up_to(Level.DECISION)
    (table,) = (part for part in brief.parts if isinstance(part, Table))
    assert not any(row.begins for row in table.rows)
    assert "Order restored" in text(brief)


@pytest.mark.parametrize(
    "trials",
    [
        pytest.param(perf(0), id="in order"),
        pytest.param([replace(each, restored=()) for each in perf(40)], id="not recorded"),
    ],
)
def test_it_is_left_out_where_there_is_nothing_to_say(trials: list[TrialResult]) -> None:
    assert "rder restored" not in run_text(summary(trials))


def test_json_has_every_arm() -> None:
    (found,) = json.loads(run_json(summary(perf(0))))["summaries"]
    heap = next(each for each in found["restored"] if each["by"] == "heap")
    assert (heap["arm"], heap["trials"], heap["hold_ns"]) == ("perfbuf@64KiB", 8, 8.5e6)
    assert (heap["hold_most_ns"], heap["causal_pairs"]) == (12_000_000, 8 * PAIRS)


def test_a_journal_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    trials = perf(40)
    with JournalWriter(path) as writer:
        writer.write(header(), *trials)
    content = read_journal(path, strict=True)
    assert content.trials == tuple(trials)
    run = Run(header=header(), trials=tuple(trials))
    (one,), (other,) = (
        compare_journals(each) for each in (content, JournalContent(runs=(run,), faults=()))
    )
    assert one.restored == other.restored


def test_the_numbers_of_a_trial() -> None:
    trial = perf(40)[0]
    assert number("heap_hold_ns")(trial) == 5_000_000
    assert number("merge_causal_violations")(trial) == 2
    assert number("watermark_inversions")(trial) == 2
    assert number("heap_cpu_s_per_million")(trial) == pytest.approx(0.04)
    assert number("heap_hold_ns")(replace(trial, restored=())) is None
    empty = replace(trial, restored=(replace(trial.restored[0], records=0),))
    assert number("merge_cpu_s_per_million")(empty) == 0  # a journal is foreign data
