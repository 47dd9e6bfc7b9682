# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test sharded rings: they balance, hold each CPU's order, and share the budget."""

from __future__ import annotations

import os

import numpy as np
import pytest
from trials import KIB, STORMS, assert_balanced, budget, records, run

from bench.errors import UsageError
from bench.plan.config import Call, Consumer, Poll, Producer, TrialConfig, Wake
from bench.trial.rig import Rig
from workloads.storm import Shape, Spawn, Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_balances_and_each_cpu_keeps_its_order(rig: Rig, shape: Shape) -> None:
    for budget_bytes in (4 * KIB * len(rig.cpus), 256 * KIB):
        config = TrialConfig(transport="sharded", budget_bytes=budget_bytes, storm=STORMS[shape])
        assert_balanced(run(rig, config))
        rows = records(rig)
        for cpu in rig.cpus:
            here = rows[rows["cpu"] == cpu]
            assert (np.diff(here["sequence"].astype(np.int64)) > 0).all()
            assert (np.diff(here["timestamp_ns"].astype(np.int64)) > 0).all()


@pytest.mark.parametrize(
    "producer",
    [
        Producer(wake=Wake.FORCED),
        Producer(wake=Wake.WATERMARK, watermark=7),
        Producer(call=Call.OUTPUT),
        Producer(records_per_exit=10, payload_bytes=128),
    ],
    ids=lambda p: f"{p.wake}-{p.call}-{p.records_per_exit}",
)
def test_every_way_to_write_balances(rig: Rig, producer: Producer) -> None:
    config = TrialConfig(
        transport="sharded", budget_bytes=256 * KIB, storm=Storm(count=600), producer=producer
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger
    assert trial.ledger.own_attempted == producer.records_per_exit * trial.storm.reaped


@pytest.mark.parametrize("poll", Poll)
def test_every_way_to_wait_balances(rig: Rig, poll: Poll) -> None:
    config = TrialConfig(
        transport="sharded",
        budget_bytes=64 * KIB,
        storm=STORMS[Shape.STORM],
        consumer=Consumer(poll=poll),
    )
    assert_balanced(run(rig, config))


def test_a_full_shard_drops_although_another_has_room(rig: Rig) -> None:
    budget_bytes = 64 * KIB * len(rig.cpus)
    one_cpu = Storm(shape=Shape.HOTCPU, count=2_000)
    config = TrialConfig(
        transport="sharded",
        budget_bytes=budget_bytes,
        storm=one_cpu,
        consumer=Consumer(poll=Poll.STOPPED),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger
    if len(rig.cpus) > 1:
        hot = max(trial.by_cpu, key=lambda share: share.attempted)
        assert hot.delivered <= 64 * KIB // 80 < hot.attempted  # a record and its header
        assert trial.ledger.dropped_by_cause == {"refused": trial.ledger.dropped}


def test_order_across_cpus_is_not_kept(rig: Rig) -> None:
    """Show what sharding costs: one ring keeps it, as test_order.py has it.

    Rings are read one after the other, all at the end.
    """
    storm = Storm(shape=Shape.PINGPONG, count=2_100, spawn=Spawn.FORK)
    config = TrialConfig(
        transport="sharded",
        budget_bytes=budget(rig, "sharded", 256 * KIB),
        storm=storm,
        consumer=Consumer(poll=Poll.STOPPED),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ordering
    assert trial.ordering.causal_pairs >= 1_000
    assert (trial.ordering.causal_violations > 0) is (len(rig.cpus) > 1)


def test_memory_is_that_of_a_ring_for_each_cpu(rig: Rig) -> None:
    trial = run(
        rig,
        TrialConfig(transport="sharded", budget_bytes=256 * KIB, storm=STORMS[Shape.STORM]),
    )
    assert trial.memory
    page = os.sysconf("SC_PAGE_SIZE")
    assert trial.memory.footprint.data_bytes == 256 * KIB
    assert trial.memory.footprint.page_bytes == 256 * KIB + 3 * page * len(rig.cpus)
    assert trial.memory.observed.mapped_bytes == 2 * (256 * KIB + page * len(rig.cpus))


@pytest.mark.parametrize("rings", [1, 2])
@pytest.mark.parametrize("shape", [Shape.STORM, Shape.PINGPONG])
def test_fewer_rings_balance(rig: Rig, rings: int, shape: Shape) -> None:
    """Check that one ring for all CPUs keeps their order, and two do not."""
    config = TrialConfig(
        transport=f"sharded:rings={rings}",
        budget_bytes=256 * KIB,
        storm=STORMS[shape],
        consumer=Consumer(poll=Poll.STOPPED),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    buffers = min(rings, len(rig.cpus))
    page = os.sysconf("SC_PAGE_SIZE")
    assert trial.memory
    assert trial.memory.footprint.data_bytes == 256 * KIB
    assert trial.memory.footprint.page_bytes == 256 * KIB + 3 * page * buffers
    assert trial.ordering
    if buffers == 1:
        assert trial.ordering.causal_violations == 0
    elif shape is Shape.PINGPONG:
        assert trial.ordering.causal_violations > 0


@pytest.mark.parametrize("poll", [Poll.EPOLL, Poll.BUSY, Poll.TIMED, Poll.STOPPED, Poll.EDGE])
@pytest.mark.parametrize("transport", ["sharded", "sharded:rings=2", "perfbuf"])
def test_a_consumer_for_each_buffer_balances(rig: Rig, transport: str, poll: Poll) -> None:
    config = TrialConfig(
        transport=transport,
        budget_bytes=budget(rig, transport, 512 * KIB),
        storm=STORMS[Shape.STORM],
        producer=Producer(records_per_exit=3),
        consumer=Consumer(poll=poll, threads=2),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger
    assert trial.ledger.dropped == 0
    delivered = records(rig)["delivered_ns"].astype(np.int64)
    assert (np.diff(delivered) >= 0).all()
    assert np.unique(delivered, return_counts=True)[1].max() <= 2  # of either consumer, by chance
    assert trial.latency
    assert trial.occupancy
    assert trial.occupancy.samples == 0
    assert trial.restored == ()
    assert trial.cost
    assert trial.cost.consumer_cpu_ns > 0
    if poll.on_epoll:
        assert trial.cost.wakeups_taken > 0


def test_consumers_of_small_rings_account_for_what_is_lost(rig: Rig) -> None:
    config = TrialConfig(
        transport="sharded",
        budget_bytes=4 * KIB * len(rig.cpus),
        storm=STORMS[Shape.BURST],
        producer=Producer(records_per_exit=10),
        consumer=Consumer(threads=64),  # no more than there are rings
    )
    assert_balanced(run(rig, config))


def test_a_budget_that_does_not_divide(rig: Rig) -> None:
    with pytest.raises(UsageError):
        run(rig, TrialConfig(transport="sharded", budget_bytes=4 * KIB, storm=Storm(count=10)))
