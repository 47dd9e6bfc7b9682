# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what the kernel does to records without a wake-up, and to a head that is not committed."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from trials import KIB, assert_balanced, records, run

from bench.plan.config import Consumer, Poll, Producer, TrialConfig, Wake
from bench.record.records import Records
from bench.trial.result import TrialResult
from bench.trial.rig import Rig
from workloads.storm import Shape, Storm

pytestmark = pytest.mark.live

TRANSPORTS = ("ringbuf", "perfbuf")
PERIOD_MS = 5.0
LATE_NS = 2_500_000
CPU = min(os.sched_getaffinity(0))
TRICKLE = Storm(shape=Shape.TRICKLE, count=60, rate_per_s=1e3 / PERIOD_MS, cpus=(CPU,))


def waited_long(rows: Records) -> np.ndarray:
    """Return which of the rows were delivered late."""
    late: np.ndarray = rows["delivered_ns"] >= rows["timestamp_ns"] + LATE_NS
    return late


def late(rig: Rig, name: str, producer: Producer, *, count: int = TRICKLE.count) -> TrialResult:
    config = TrialConfig(
        transport=name,
        budget_bytes=64 * KIB * len(rig.cpus),
        storm=replace(TRICKLE, count=count),
        producer=producer,
        consumer=Consumer(poll=Poll.EPOLL, late_ms=LATE_NS / 1e6),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    return trial


def test_what_no_wake_up_was_raised_for_is_stranded(rig: Rig) -> None:
    """Wake at every third record of a CPU: those before it wait for it, asleep in epoll_wait.

    A reader that is not given a CPU for a tenth of a second does not sleep for 20 of the records.
    """
    found = late(rig, "ringbuf", Producer(wake=Wake.WATERMARK, watermark=3), count=300).late
    assert found is not None
    rows = records(rig)
    stamps_ns = rows["timestamp_ns"].astype(np.int64)
    waking_ns = np.append(np.sort(stamps_ns[rows["sequence"] % 3 == 2]), stamps_ns.max() + LATE_NS)
    woken_ns = waking_ns[np.searchsorted(waking_ns, stamps_ns)]
    unannounced = waited_long(rows) & (woken_ns >= stamps_ns + LATE_NS // 2)
    assert found.stranded > 0.8 * np.count_nonzero(unannounced) > 0
    for each in found.examples:
        if each.why == "stranded":
            assert each.woken_ns is not None
            assert each.woken_ns >= LATE_NS // 2


@pytest.mark.parametrize("name", TRANSPORTS)
def test_edge_triggered_epoll_strands_none_behind_a_barrier(rig: Rig, name: str) -> None:
    """Let the consumer catch up over and over; the last records of each storm would show it."""
    consumer = Consumer(poll=Poll.EDGE, late_ms=20.0)
    for _ in range(10):
        config = TrialConfig(
            transport=name, budget_bytes=256 * KIB, storm=Storm(count=500), consumer=consumer
        )
        found = run(rig, config)
        assert_balanced(found)
        assert found.late is not None
        assert found.late.stranded == 0


@pytest.mark.parametrize("name", TRANSPORTS)
def test_where_every_record_wakes_none_is_stranded(rig: Rig, name: str) -> None:
    trial = late(rig, name, Producer(wake=Wake.FORCED))
    assert trial.late is not None
    assert trial.late.stranded == 0


def test_of_a_perf_buffer_nothing_is_claimed(rig: Rig) -> None:
    found = late(rig, "perfbuf", Producer(wake=Wake.WATERMARK, watermark=3)).late
    assert found is not None
    assert found.count == np.count_nonzero(waited_long(records(rig))) > 0
    assert found.count == found.unknown + found.not_waiting


def test_nobody_asks_where_it_is_not_wanted(rig: Rig) -> None:
    assert run(rig, TrialConfig(transport="ringbuf", budget_bytes=64 * KIB)).late is None


def test_a_ring_spins_behind_its_head_and_that_is_no_wake_up(rig: Rig) -> None:
    """Polls that gave nothing to read are counted apart; a perf buffer has at most one a record."""
    if len(rig.cpus) < 2:
        pytest.skip("a producer has to be slow while the consumer runs")
    polls = {}
    for name in TRANSPORTS:
        config = TrialConfig(
            transport=name,
            budget_bytes=1024 * KIB,
            storm=Storm(shape=Shape.UNEVEN, count=300, rate_per_s=1_000.0, seconds=2.0),
            producer=Producer(delay_ns=400_000, delay_cpu=0),
        )
        polls[name] = run(rig, replace(config, consumer=Consumer(cpu=rig.cpus[-1])))
        assert_balanced(polls[name])
    ring, perf = (polls[name].cost for name in TRANSPORTS)
    assert ring is not None
    assert perf is not None
    assert ring.empty_polls is not None
    assert perf.empty_polls is not None
    assert ring.empty_polls > perf.delivered >= perf.empty_polls
    for cost in (ring, perf):
        assert 0 < cost.wakeups_taken <= cost.delivered
