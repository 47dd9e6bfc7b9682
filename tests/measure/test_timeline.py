# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Timelines: small whatever the trial, true to it, and with every drop within."""

from __future__ import annotations

import json
from dataclasses import asdict

import made_up
import numpy as np
import pytest

from bench.measure.timeline import MOST_CLOSE, MOST_GAPS, MOST_POINTS, MOST_SAMPLES, Timeline, trace


def traced(trial: made_up.Trial, samples: int = 5_000) -> Timeline:
    origin_ns = int(trial.records["timestamp_ns"].min()) - 1_000 if len(trial.records) else 0
    at_ns = np.arange(samples, dtype=np.uint64) * np.uint64(1_000) + np.uint64(origin_ns)
    occupancy = np.stack([at_ns, np.arange(samples, dtype=np.uint64)], axis=1)
    return trace(trial.records, occupancy, origin_ns=origin_ns)


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_a_long_trial_stays_short_in_the_journal(transport: str) -> None:
    timeline = traced(made_up.trial(100_000, transport=transport, loss=0.2))
    assert len(timeline.sampled) == MOST_POINTS
    assert len(timeline.close) == MOST_CLOSE
    assert len(timeline.used_at_ns) == len(timeline.used_bytes) == MOST_SAMPLES
    assert len(timeline.gaps) == MOST_GAPS
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
    assert timeline.records == len(timeline.sampled) == len(trial.records)
    assert traced(trial._replace(records=trial.records[:0]), samples=0).records == 0
