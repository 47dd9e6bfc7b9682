# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test order as claims are judged by it: the ring keeps it, per-CPU buffers cannot."""

from __future__ import annotations

import pytest
from trials import KIB, assert_balanced, budget, records, run

from bench.plan.config import Consumer, Poll, TrialConfig
from bench.record.records import Flag
from bench.trial.rig import Rig
from workloads.storm import Shape, Spawn, Storm

pytestmark = pytest.mark.live

STORMS = [
    Storm(shape=Shape.CHAIN, count=2_400, depth=8, spawn=Spawn.FORK),
    Storm(shape=Shape.PINGPONG, count=2_400, workers=1, spawn=Spawn.FORK),
]
POLLS = [Poll.EPOLL, Poll.BUSY, Poll.TIMED]


@pytest.mark.slow
@pytest.mark.parametrize("poll", POLLS)
@pytest.mark.parametrize("storm", STORMS, ids=lambda storm: storm.shape)
def test_the_ring_has_no_causal_violation(rig: Rig, storm: Storm, poll: Poll) -> None:
    config = TrialConfig(
        transport="ringbuf", budget_bytes=256 * KIB, storm=storm, consumer=Consumer(poll=poll)
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ordering
    assert trial.ordering.causal_pairs >= 1_000
    assert trial.ordering.causal_violations == 0


@pytest.mark.parametrize("storm", STORMS, ids=lambda storm: storm.shape)
def test_perf_buffers_show_parents_first_whose_buffer_is_read_first(rig: Rig, storm: Storm) -> None:
    """They are read one after the other, all at the end: where a pair exited decides its order."""
    if len(rig.usable) < 2:
        pytest.skip("one CPU has one buffer")
    consumer = Consumer(poll=Poll.STOPPED)
    config = TrialConfig(
        transport="perfbuf",
        budget_bytes=budget(rig, "perfbuf", 256 * KIB),
        storm=storm,
        consumer=consumer,
    )
    trial = run(rig, config)
    assert_balanced(trial)
    rows = records(rig)
    rows = rows[(rows["flags"] & Flag.OWN) != 0]
    place = {rig.cpus[at]: at for at in range(len(rig.cpus))}
    cpus = [place[each] for each in rows["cpu"].tolist()]
    exits = zip(rows["pid"].tolist(), rows["start_ns"].tolist(), cpus, strict=True)
    exited_on = {(pid, start_ns): cpu for pid, start_ns, cpu in exits}
    made_by = zip(rows["parent_pid"].tolist(), rows["parent_start_ns"].tolist(), cpus, strict=True)
    parents_first = sum(exited_on.get((pid, ns), cpu) < cpu for pid, ns, cpu in made_by)
    assert trial.ordering
    assert trial.ordering.causal_pairs >= 1_000
    assert trial.ordering.causal_violations == parents_first
    if storm.shape is Shape.PINGPONG:  # its pairs are kept to two CPUs, in turns
        assert parents_first > 0
        assert trial.ordering.inversions > 0
