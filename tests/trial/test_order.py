# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Order as the claims are judged by it: the ring keeps it, per-CPU buffers cannot."""

from __future__ import annotations

import pytest
from trials import KIB, assert_balanced, run

from bench.plan.config import Consumer, Poll, TrialConfig
from bench.trial.rig import Rig
from workloads.storm import Shape, Spawn, Storm

pytestmark = pytest.mark.live

STORMS = [
    Storm(shape=Shape.CHAIN, count=2_400, depth=8, spawn=Spawn.FORK),
    Storm(shape=Shape.PINGPONG, count=2_400, workers=1, spawn=Spawn.FORK),
]
POLLS = [Poll.EPOLL, Poll.BUSY, Poll.TIMED]


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
def test_a_timed_drain_of_perf_buffers_shows_parents_first(rig: Rig, storm: Storm) -> None:
    if len(rig.cpus) < 2:
        pytest.skip("one CPU has one buffer")
    consumer = Consumer(poll=Poll.TIMED, interval_ms=5.0)
    config = TrialConfig(
        transport="perfbuf", budget_bytes=512 * KIB, storm=storm, consumer=consumer
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ordering
    assert trial.ordering.causal_pairs >= 1_000
    assert trial.ordering.causal_violations > 0
    assert trial.ordering.inversions > 0
