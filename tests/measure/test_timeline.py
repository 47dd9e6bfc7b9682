# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test timelines: small whatever the trial, true to it, and with every drop within."""

from __future__ import annotations

import json
from dataclasses import asdict

import made_up
import numpy as np
import pytest

from bench.measure.timeline import Gap, Timeline, trace
from bench.record.records import CAPTURED


def traced(trial: made_up.Trial, samples: int = 5_000) -> Timeline:
    origin_ns = int(trial.records["timestamp_ns"].min()) - 1_000 if len(trial.records) else 0
    at_ns = np.arange(samples, dtype=np.uint64) * np.uint64(1_000) + np.uint64(origin_ns)
    occupancy = np.stack([at_ns, np.arange(samples, dtype=np.uint64)], axis=1)
    return trace(trial.records, occupancy, origin_ns=origin_ns)


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_a_long_trial_stays_short_in_the_journal(transport: str) -> None:
    timeline = traced(made_up.trial(100_000, transport=transport, loss=0.2))
    assert len(timeline.sampled) == 1_400
    assert len(timeline.close) == 160
    assert len(timeline.used_at_ns) == len(timeline.used_bytes) == 500
    assert len(timeline.gaps) == 200
    assert timeline.gaps_left_out > 0
    assert len(json.dumps(asdict(timeline), separators=(",", ":"))) < 60_000


def test_gaps_hold_every_drop_but_those_after_the_last_record() -> None:
    trial = made_up.trial(2_000, loss=0.02)
    timeline = traced(trial)
    last = {cpu: trial.records["sequence"][trial.records["cpu"] == cpu].max() for cpu in (0, 1)}
    before = sum(int(last[cpu]) + 1 for cpu in last) - len(trial.records)
    assert sum(gap.dropped for gap in timeline.gaps) == before > 0
    assert timeline.gaps_left_out == 0
    assert all(gap.begin_ns <= gap.end_ns for gap in timeline.gaps)


def test_the_close_look_shows_the_record_that_came_latest() -> None:
    trial = made_up.trial(20_000, transport="perfbuf")
    timeline = traced(trial)
    times = trial.records["timestamp_ns"].astype(np.int64)
    latest = int((np.maximum.accumulate(times) - times).argmax())
    assert timeline.close_first <= latest < timeline.close_first + len(timeline.close)


def test_a_short_trial_is_kept_whole_and_none_at_all_is_empty() -> None:
    trial = made_up.trial(64)
    timeline = traced(trial, samples=3)
    records, origin_ns = trial.records, timeline.origin_ns
    assert timeline.records == len(records)
    assert timeline.sampled.kernel_ns == tuple(
        int(time) - origin_ns for time in records["timestamp_ns"]
    )
    assert timeline.sampled.delivered_ns == tuple(
        int(time) - origin_ns for time in records["delivered_ns"]
    )
    assert timeline.sampled.cpu == tuple(records["cpu"].tolist())
    assert timeline.close == timeline.sampled
    assert timeline.close_first == 0
    assert (timeline.used_at_ns, timeline.used_bytes) == ((0, 1_000, 2_000), (0, 1, 2))
    assert traced(trial._replace(records=trial.records[:0]), samples=0).records == 0


def test_a_sample_is_evenly_spaced_from_the_first_to_the_last() -> None:
    trial = made_up.trial(11_190)  # of 11,185 or so, every eighth
    timeline = traced(trial)
    times = trial.records["timestamp_ns"].astype(np.int64) - timeline.origin_ns
    places = np.linspace(0, len(times) - 1, 1_400).round().astype(int)
    assert timeline.sampled.kernel_ns == tuple(times[places].tolist())
    assert {int(step) for step in np.diff(places)} <= {7, 8}


def test_the_close_look_lies_within_the_trial() -> None:
    records = made_up.trial(1_000).records
    records["timestamp_ns"] = np.sort(records["timestamp_ns"])
    nothing = np.empty((0, 2), np.uint64)
    for late, first in ((None, 0), (40, 0), (500, 420), (len(records) - 1, len(records) - 160)):
        changed = records.copy()
        if late is not None:
            changed["timestamp_ns"][late] -= np.uint64(10**9)
        timeline = trace(changed, nothing, origin_ns=0)
        assert timeline.close_first == first
        assert len(timeline.close) == 160
        expected = changed["timestamp_ns"][first : first + 160]
        assert timeline.close.kernel_ns == tuple(expected.tolist())


def test_gaps_by_hand() -> None:
    records = np.zeros(6, CAPTURED)
    rows = [(0, 2, 100), (1, 0, 110), (1, 4, 200), (0, 3, 210), (0, 9, 900), (1, 5, 950)]
    for record, (cpu, sequence, timestamp_ns) in zip(records, rows, strict=True):
        record["cpu"], record["sequence"], record["timestamp_ns"] = cpu, sequence, timestamp_ns
    timeline = trace(records[[5, 0, 4, 2, 1, 3]], np.empty((0, 2), np.uint64), origin_ns=50)
    assert timeline.gaps == (
        Gap(cpu=0, begin_ns=0, end_ns=50, dropped=2),
        Gap(cpu=1, begin_ns=60, end_ns=150, dropped=3),
        Gap(cpu=0, begin_ns=160, end_ns=850, dropped=5),
    )


def test_a_gap_far_into_a_trial_begins_at_the_record_before_it() -> None:
    records = np.zeros(6, CAPTURED)
    records["sequence"] = [0, 1, 2, 2, 3, 7]  # what came twice leaves no gap
    records["timestamp_ns"] = [10, 20, 30, 35, 40, 50]
    timeline = trace(records, np.empty((0, 2), np.uint64), origin_ns=0)
    assert timeline.gaps == (Gap(cpu=0, begin_ns=40, end_ns=50, dropped=3),)


def test_a_close_look_ends_with_a_trial_little_longer_than_it() -> None:
    records = np.zeros(200, CAPTURED)
    records["timestamp_ns"] = 1_000 + np.arange(200)
    records["timestamp_ns"][199] = 1
    timeline = trace(records, np.empty((0, 2), np.uint64), origin_ns=0)
    assert (timeline.close_first, len(timeline.close)) == (40, 160)


def test_the_largest_gaps_are_kept_in_the_order_of_their_beginnings() -> None:
    # CPU 1 has one gap over all of the time, CPU 0 has 210 within it, one record each but for ten.
    count = 211
    records = np.zeros(count + 2, CAPTURED)
    lost = [2 if place % 21 == 0 else 1 for place in range(1, count)]
    records["sequence"][:count] = np.cumsum([0, *(1 + each for each in lost)])
    records["timestamp_ns"][:count] = 1_000 + 10 * np.arange(count)
    records["cpu"][count:] = 1
    records["sequence"][count:] = [0, 8]
    records["timestamp_ns"][count:] = [1_005, 9_000]
    timeline = trace(records, np.empty((0, 2), np.uint64), origin_ns=0)
    assert timeline.gaps_left_out == 211 - 200
    begins = [gap.begin_ns for gap in timeline.gaps]
    assert begins == sorted(begins)
    assert Gap(cpu=1, begin_ns=1_005, end_ns=9_000, dropped=7) in timeline.gaps
    assert sum(gap.dropped == 2 for gap in timeline.gaps) == 10
