# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Restore order in real trials: of perf buffers, not of a ring."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trials import KIB, STORMS, assert_balanced, run

from bench.measure.restoring import IDLE_NS, Sorting
from bench.plan.config import Consumer, Poll, TrialConfig
from bench.trial.rig import Rig
from workloads.storm import Shape

pytestmark = pytest.mark.live


def test_what_perf_buffers_deliver_is_sorted_and_a_ring_is_left_alone(rig: Rig) -> None:
    config = TrialConfig(
        transport="perfbuf",
        budget_bytes=256 * KIB,
        storm=STORMS[Shape.PINGPONG],
        consumer=Consumer(poll=Poll.TIMED, interval_ms=5.0),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger is not None
    found = {each.by: each for each in trial.restored}
    assert found.keys() == {*Sorting}
    for each in found.values():
        assert each.records == trial.ledger.delivered
        assert 0 < each.held_peak <= each.records
        assert each.cpu_ns > 0
    assert (found[Sorting.HEAP].inversions, found[Sorting.HEAP].causal_violations) == (0, 0)
    assert found[Sorting.WATERMARK].hold_ns == IDLE_NS
    assert run(rig, replace(config, transport="ringbuf")).restored == ()
