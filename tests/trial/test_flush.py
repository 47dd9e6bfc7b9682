# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a tail below the watermark is delivered by the flush, else by the end alone."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from trials import KIB, assert_balanced, records, run

from bench.plan.config import Consumer, Producer, TrialConfig, Wake
from bench.record.layout import RECORD_BYTES, Flag
from bench.record.records import Records
from bench.trial.rig import Rig
from workloads.storm import Shape, Storm

pytestmark = pytest.mark.live

FEW = 40
PERIOD_MS = 10.0
CPU = min(os.sched_getaffinity(0))
STORM = Storm(shape=Shape.TRICKLE, count=FEW, rate_per_s=1e3 / PERIOD_MS, cpus=(CPU,))
MANY = 800  # records, which nearly fill a buffer
STORED_BYTES = {"ringbuf": RECORD_BYTES + 8, "perfbuf": RECORD_BYTES + 16}
FLUSH_MS = 25.0


def own(rig: Rig, name: str, producer: Producer, *, flush_ms: float) -> Records:
    """Return the records of the storm's own children."""
    config = TrialConfig(
        transport=name,
        budget_bytes=64 * KIB * len(rig.cpus),
        storm=STORM,
        producer=producer,
        consumer=Consumer(flush_ms=flush_ms),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.cost is not None
    assert trial.cost.wakeups_taken == 0
    rows = np.sort(records(rig), order="timestamp_ns")
    found: Records = rows[(rows["flags"] & Flag.OWN) != 0][:FEW]  # its worker's exit comes last
    assert len(found) == FEW
    return found


def watermarks(name: str, of_records: int) -> tuple[Producer, Producer]:
    in_records = Producer(wake=Wake.WATERMARK, watermark=of_records)
    in_bytes = of_records * STORED_BYTES[name]
    return in_records, replace(in_records, wake=Wake.BYTES, watermark=in_bytes)


@pytest.mark.parametrize("name", ["ringbuf", "perfbuf"])
def test_a_tail_below_the_watermark_waits_for_the_end(rig: Rig, name: str) -> None:
    """Expect what came before the reader first slept at once: some records, on a busy machine."""
    for producer in watermarks(name, MANY):
        rows = own(rig, name, producer, flush_ms=0)
        late = rows[rows["delivered_ns"] > rows["timestamp_ns"].max()]
        assert len(late) > FEW // 2
        assert (rows["timestamp_ns"][: FEW - len(late)] < late["timestamp_ns"].min()).all()


@pytest.mark.parametrize("name", ["ringbuf", "perfbuf"])
def test_the_flush_delivers_it(rig: Rig, name: str) -> None:
    for producer in watermarks(name, MANY):
        rows = own(rig, name, producer, flush_ms=FLUSH_MS)
        # Not before its time either: records come more often than they are read.
        visits = np.diff(np.sort(rows["delivered_ns"])) > 0.9 * FLUSH_MS * 1e6
        assert np.count_nonzero(visits) > 2


@pytest.mark.parametrize("name", ["ringbuf", "perfbuf"])
def test_a_watermark_in_bytes_wakes_at_as_many_records(rig: Rig, name: str) -> None:
    """Allow fewer wake-ups than the kernel raises: a reader may have to wait for a CPU."""
    every = 8
    for producer in watermarks(name, every):
        config = TrialConfig(
            transport=name,
            budget_bytes=64 * KIB * len(rig.cpus),
            storm=replace(STORM, count=400, rate_per_s=2_000.0),
            producer=producer,
        )
        trial = run(rig, config)
        assert_balanced(trial)
        assert trial.cost is not None
        assert 0 < trial.cost.wakeups_taken < trial.cost.delivered / (0.9 * every)
        if trial.cost.wakeups_raised is not None:
            assert trial.cost.wakeups_raised > trial.cost.delivered / (1.5 * every)
