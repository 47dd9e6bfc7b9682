# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make of a described load a storm that puts just that load on a buffer."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.plan.budgets import KIB, MIB
from bench.plan.config import Consumer
from bench.plan.duration import storm_seconds
from bench.questions.sizing.plan import Load, capture_bytes, check, config, experiment, rungs_bytes
from workloads.generator import check as check_storm
from workloads.storm import Gap, Shape

PAGE = 4096


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (Load(rate_per_s=10.0, burst=10), "a rate or a burst"),
        (Load(rate_per_s=-1.0), "--rate -1 is out of range"),
        (Load(rate_per_s=float("nan")), "--rate nan"),
        (Load(burst=-1), "--burst"),
        (Load(record_bytes=71), "--record-size 71 is out of range; take 72 to 4168"),
        (Load(record_bytes=4_169), "--record-size"),
        (Load(records_per_exit=0), "--records"),
        (Load(records_per_exit=1_001), "--records"),
        (Load(stall_ms=-1.0), "--stall"),
        (Load(stall_ms=float("inf")), "--stall inf"),
        (Load(seconds=0.0), "--seconds"),
    ],
)
def test_a_load_that_makes_no_sense_is_refused(load: Load, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(load)


@pytest.mark.parametrize(
    ("record_bytes", "payload_bytes"), [(72, 0), (73, 8), (80, 8), (81, 16), (4_168, 4_096)]
)
def test_records_are_at_least_as_long_as_asked_for(record_bytes: int, payload_bytes: int) -> None:
    load = check(Load(record_bytes=record_bytes))
    assert config(load, 2).producer.payload_bytes == payload_bytes


def test_a_rate_is_kept_for_the_storm_and_the_stall_within_it() -> None:
    chosen = config(check(Load(rate_per_s=4_000.0, stall_ms=100.0, seconds=0.5)), 2)
    storm = chosen.storm
    assert (storm.rate_per_s, storm.gap, storm.seconds) == (4_000.0, Gap.EXPONENTIAL, 0.6)
    assert storm.count > 1.5 * 4_000 * 0.6  # time is to end it, however the gaps fall
    assert chosen.consumer == Consumer(stall_after_ms=250.0, stall_ms=100.0)


@pytest.mark.parametrize("records", [1, 1_000])
def test_as_fast_as_they_can_is_ended_by_time(records: int) -> None:
    chosen = config(check(Load(records_per_exit=records)), 2)
    assert chosen.storm.rate_per_s == 0
    assert storm_seconds(chosen.storm) == pytest.approx(0.25)
    assert capture_bytes(chosen) < 1 << 30


@pytest.mark.parametrize("burst", [1, 700, 100_000])
def test_bursts_are_whole_and_stalled_from_their_first_exit(burst: int) -> None:
    chosen = config(check(Load(burst=burst)), 2)
    storm = chosen.storm
    assert (storm.shape, storm.burst_size) == (Shape.BURST, burst)
    assert storm.count % burst == 0
    assert chosen.consumer.stall_after_ms == 0
    check_storm(storm, (0, 1))


def rungs(transport: str, load: Load, *, cpus: int = 2, most: int = 64 * KIB) -> tuple[int, ...]:
    return rungs_bytes(transport, load, cpus=cpus, most_bytes=most)


def test_rungs_begin_at_the_least_there_is() -> None:
    assert rungs("ringbuf", Load()) == (4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB)
    assert rungs("perfbuf", Load()) == (8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB)
    assert rungs("perfbuf", Load(), cpus=3) == (12 * KIB, 24 * KIB, 48 * KIB)
    assert rungs("sharded", Load(), cpus=3) == (12 * KIB, 24 * KIB, 48 * KIB)


def test_rungs_hold_the_record() -> None:
    large = Load(record_bytes=4_168)
    assert rungs("ringbuf", large)[0] == 8 * KIB
    assert rungs("sharded", large)[0] == 16 * KIB
    assert rungs("perfbuf", large, most=MIB)[0] == 64 * KIB  # a quarter of each CPU's
    with pytest.raises(UsageError, match="no perfbuf of up to 32 KiB"):
        rungs("perfbuf", large, most=32 * KIB)


def test_arms_differ_in_transport_and_budget_only() -> None:
    chosen = config(Load(), 2)
    asked = experiment("size", chosen, [("ringbuf", 4 * KIB), ("perfbuf", 12 * KIB)], 20)
    assert [arm.name for arm in asked.arms] == ["ringbuf@4KiB", "perfbuf@12KiB"]
    assert [arm.config.budget_bytes for arm in asked.arms] == [4 * KIB, 12 * KIB]
    assert {arm.config.storm for arm in asked.arms} == {chosen.storm}
    assert asked.blocks == 20
