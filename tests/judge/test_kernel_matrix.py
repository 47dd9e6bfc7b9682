# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test kernels side by side: their order, where changes set in, which are compared."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_kernels import beside_callers, entry, lost, memory_line, storms
from made_up_trials import trial

from bench.judge.metrics import Unit
from bench.questions.claims.claim import Verdict
from bench.questions.kernels.answers import answers
from bench.questions.kernels.curves import Curve
from bench.questions.kernels.matrix import Matrix, compare
from bench.trial.result import State


def curve_of(matrix: Matrix, key: str) -> Curve:
    found = [curve for curve in matrix.curves if curve.key.startswith(key)]
    assert len(found) == 1, [curve.key for curve in matrix.curves]
    return found[0]


def test_kernels_stand_in_the_order_of_versions_flavours_behind_their_series() -> None:
    entries = [
        entry("7.3", "7.3.4+deb13-amd64"),
        entry("6.12-rt", "6.12.100+deb13-rt-amd64"),
        lost("5.4", "unavailable", "no such kernel"),
        entry("6.12", "6.12.117+deb13-amd64"),
        entry("6.9", "6.9.7-1-amd64"),
        lost("./bzImage", "failed", "not a kernel"),
        entry("5.10", "5.10.0-46-amd64"),
    ]
    labels = [row.label for row in compare(entries).rows]
    assert labels == ["5.4", "5.10", "6.9", "6.12", "6.12-rt", "7.3", "./bzImage"]


def test_journals_of_one_kernel_are_one_row_and_of_two_machines_are_two() -> None:
    here = entry("6.1", "6.1.0-53-amd64")
    again = entry("6.1", "6.1.0-53-amd64")
    (run,) = again.content.runs
    elsewhere = replace(run, header=replace(run.header, machine=replace(
        run.header.machine, hostname="elsewhere")))  # fmt: skip
    other = replace(again, path="ci", content=replace(again.content, runs=(elsewhere,)))
    (row,) = compare([here, again]).rows
    assert row.result is not None
    assert row.result.summary.trials == 2 * len(storms())
    rows = compare([here, other]).rows
    assert len(rows) == 2
    assert len({row.label for row in rows}) == 2  # distinct
    both = replace(other, path=here.path)  # as where one journal holds two machines
    assert len({row.label for row in compare([here, both]).rows}) == 2


def test_a_kernel_without_a_result_keeps_its_row_and_reason() -> None:
    matrix = compare([entry("6.1", "6.1.0-53-amd64"), lost("6.6", "panicked", "VFS: no root")])
    row = matrix.rows[1]
    assert (row.label, row.status, row.reason, row.result) == (
        "6.6", "panicked", "VFS: no root", None,
    )  # fmt: skip
    assert len(matrix.measured) == 1


def test_changes_set_in_where_a_fact_first_differs_within_a_flavour() -> None:
    matrix = compare(
        [
            entry("5.10", "5.10.1-amd64", ring_lock="spinlock_t"),
            entry("6.1", "6.1.1-amd64", ring_lock="spinlock_t"),
            lost("6.6", "hung", "no result"),
            entry("6.12", "6.12.1-amd64", ring_lock="raw_spinlock_t"),
            entry("6.12-rt", "6.12.1-rt-amd64", ring_lock="raw_spinlock_t", preemption="rt"),
            entry("6.18", "6.18.1-amd64", ring_lock="rqspinlock_t"),
        ]
    )
    changes = {change.key: change for change in matrix.changes}
    assert changes["lock"].onsets == ("6.12", "6.18")
    assert changes["lock"].states[2] is None
    assert changes["preemption"].onsets == ()  # the only rt kernel differs from no other of its own
    assert changes["ring_buffer"].onsets == ()


def test_kernels_of_two_architectures_are_not_compared() -> None:
    matrix = compare(
        [
            entry("6.12", "6.12.1-amd64", ring_lock="spinlock_t"),
            entry("6.12-arm64", "6.12.1-arm64", ring_lock="raw_spinlock_t", preemption="full"),
            entry("7.3", "7.3.1-amd64", ring_lock="spinlock_t"),
            entry("7.3-arm64", "7.3.1-arm64", ring_lock="rqspinlock_t", preemption="full"),
        ]
    )
    assert [row.label for row in matrix.rows] == ["6.12", "6.12-arm64", "7.3", "7.3-arm64"]
    changes = {change.key: change for change in matrix.changes}
    assert changes["lock"].onsets == ("7.3-arm64",)
    assert changes["preemption"].onsets == ()


def test_what_instruments_say_of_a_ring_is_a_fact_of_the_kernel() -> None:
    matrix = compare(
        [
            entry("5.10", "5.10.1", memory=(memory_line("ringbuf", memcg_bytes=0),)),
            entry("6.1", "6.1.1", memory=(memory_line("ringbuf", memlock_bytes=0),)),
            entry("6.12", "6.12.1", memory=(memory_line("ringbuf"),)),
            entry("6.18", "6.18.1"),
        ]
    )
    changes = {change.key: change for change in matrix.changes}
    assert changes["memcg"].states == ("no", "yes", "yes", None)
    assert changes["fdinfo"].states == ("right", "0", "right", None)
    assert changes["fdinfo"].onsets == ("6.1", "6.12")


def test_times_are_only_ever_ratios_within_one_guest() -> None:
    slow = storms(p50_ns=80_000)
    matrix = compare([entry("6.1", "6.1.1"), entry("6.12", "6.12.1", trials=slow)])
    assert {curve.unit for curve in matrix.curves} <= {Unit.SHARE, Unit.BYTES, Unit.TIMES}
    p50 = curve_of(matrix, "latency_p50_ns:trickle")
    assert [(point.kernel, point.series) for point in p50.points] == [
        ("6.1", "ring over perf"),
        ("6.12", "ring over perf"),
    ]
    assert [point.value for point in p50.points] == pytest.approx([0.8, 8.0])
    assert p50.times_within_one_guest


def test_shares_have_both_sides_with_intervals() -> None:
    matrix = compare([entry("6.1", "6.1.1")])
    loss = curve_of(matrix, "own_dropped_share:storm")
    ring, perf = loss.at("6.1", "ringbuf"), loss.at("6.1", "perfbuf")
    assert ring is not None
    assert perf is not None
    assert ring.value == 0.0135  # 10 to 17 of 1,000
    assert ring.low < ring.value < ring.high < perf.low
    order = curve_of(matrix, "causal_violation_share:chain")
    assert order.at("6.1", "ringbuf").value == 0  # type: ignore[union-attr]
    assert [each.causal_violations for each in matrix.order] == [0, 8 * 90]
    assert matrix.order[1].violating == ("6.1",)


def test_least_lossless_budget_of_both_over_kernels() -> None:
    def ladder(least_perf_bytes: int) -> list:  # type: ignore[type-arg]
        return [
            trial(f"{way}@{kib}KiB", block, experiment="memory-spread", dropped=lost)
            for block in range(8)
            for kib in (16, 32, 64, 128)
            for way, least in (("ringbuf", 32), ("perfbuf", least_perf_bytes))
            for lost in [5 if kib < least else 0]
        ]

    matrix = compare(
        [entry("6.1", "6.1.1", trials=ladder(64)), entry("7.3", "7.3.1", trials=ladder(128))]
    )
    found = curve_of(matrix, "lossless:memory-spread")
    sizes = [(point.kernel, point.series, round(point.value / 1024)) for point in found.points]
    assert [size for _, way, size in sizes if way == "ringbuf"] == [32, 32]
    assert [size for _, way, size in sizes if way == "perfbuf"] == [64, 128]
    assert not any(curve.key.startswith("own_dropped_share:memory") for curve in matrix.curves)


def test_what_the_kernel_skipped_is_reported_in_peace_and_beside_callers() -> None:
    peace = [each for each in storms() if each.experiment == "storm"]
    both = [*peace, *beside_callers(peace, 800)]
    (found,) = compare([entry("6.1", "6.1.1", trials=both, preemption="full")]).missed
    assert found.peace is not None
    assert found.noise is not None
    assert (found.preemption, found.peace.missed, found.noise.missed) == ("full", 0, 16 * 800)
    assert found.noise.missed_share == 0.8
    assert found.noise.skipped_told is None


def test_what_ran_beside_callers_is_in_no_curve() -> None:
    peace = [each for each in storms() if each.experiment == "storm"]
    matrix = compare([entry("6.1", "6.1.1", trials=[*peace, *beside_callers(peace, 800)])])
    assert {curve.experiment for curve in matrix.curves} == {"storm"}


def test_a_kernel_with_nothing_to_compare_has_its_points_too() -> None:
    perf_only = [each for each in storms() if each.config.transport == "perfbuf"]
    old = entry("5.4", "5.4.1", trials=perf_only, ring_buffer="no")
    new = entry("6.12", "6.12.1")
    both, alone = compare([old, new]).curves, compare([new]).curves
    (drops,), (without,) = ([c for c in each if c.what == "events lost"] for each in (both, alone))
    assert {(point.kernel, point.series) for point in drops.points} == {
        ("5.4", "perfbuf"), ("6.12", "ringbuf"), ("6.12", "perfbuf"),
    }  # fmt: skip
    for series in ("ringbuf", "perfbuf"):
        there, before = drops.at("6.12", series), without.at("6.12", series)
        assert there is not None
        assert before is not None
        assert (there.value, there.low, there.high, there.note) == (
            before.value, before.low, before.high, before.note,
        )  # fmt: skip


def test_the_claim_about_versions_is_judged_once_over_all_kernels() -> None:
    perf_only = [each for each in storms() if each.config.transport == "perfbuf"]
    entries = [
        entry("5.4", "5.4.1", trials=perf_only, ring_buffer="no"),
        entry("5.10", "5.10.1"),
        entry("6.12", "6.12.1"),
    ]
    rows = {each.claim.id: each for each in compare(entries).claims}
    together = rows["rb-since-5.8"].together
    assert together is not None
    assert together.verdict is Verdict.REPRODUCED
    entries[1] = entry("5.10", "5.10.1", trials=perf_only)  # cut short before its first ring
    rows = {each.claim.id: each for each in compare(entries).claims}
    assert rows["rb-since-5.8"].together.verdict is Verdict.REPRODUCED  # type: ignore[union-attr]
    entries[1] = entry("5.10", "5.10.1", trials=perf_only, ring_buffer="no")
    rows = {each.claim.id: each for each in compare(entries).claims}
    assert rows["rb-since-5.8"].together.verdict is Verdict.REFUTED  # type: ignore[union-attr]


def test_kernels_that_contradict_each_other_are_reported() -> None:
    def with_violations(count: int) -> list:  # type: ignore[type-arg]
        return [
            trial(f"{way}@64KiB", block, experiment="chain", pairs=1_200, violations=wrong)
            for block in range(8)
            for way, wrong in (("ringbuf", count), ("perfbuf", 30))
        ]

    matrix = compare(
        [
            entry("6.1", "6.1.1", trials=with_violations(0)),
            entry("6.12", "6.12.1", trials=with_violations(3)),
        ]
    )
    order = next(each for each in matrix.claims if each.claim.id == "rb-order")
    verdicts = [found.verdict for found in order.findings if found is not None]
    assert verdicts == [Verdict.REPRODUCED, Verdict.REFUTED]
    (claims,) = (each for each in answers(matrix) if each.question == "claims")
    assert [each.changed for each in claims.answers] == ["", "6.1"]


def test_invalid_trials_are_named_with_their_kernel() -> None:
    bad = trial("ringbuf@64KiB", 8, state=State.INVALID, reasons=("2 are gone",))
    matrix = compare([entry("6.1", "6.1.1", trials=[*storms(), bad])])
    assert [(each.kernel, each.block) for each in matrix.invalid] == [("6.1", 8)]
