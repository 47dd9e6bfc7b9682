# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that records behind one discarded without a wake-up arrive, and nobody is woken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trials import KIB, assert_balanced, run

from bench.errors import UsageError
from bench.plan.config import Call, Consumer, Poll, Producer, TrialConfig
from bench.tracer.transports import find
from bench.trial.rig import Rig
from workloads.storm import Shape, Storm

DISCARDING = Producer(call=Call.DISCARD)


def config(producer: Producer, budget_bytes: int) -> TrialConfig:
    return TrialConfig(
        transport="ringbuf",
        budget_bytes=budget_bytes,
        storm=Storm(shape=Shape.HOTCPU, count=300),
        producer=producer,
    )


@pytest.mark.live
def test_a_discard_takes_its_room_and_leaves_the_next_record_unannounced(rig: Rig) -> None:
    """Each of 300 lies in a ring of 64 KiB with a discarded one of 80 bytes before it.

    The reader sleeps through the storm, and reads all of them when it is stopped.
    """
    trial = run(rig, config(DISCARDING, 64 * KIB))
    assert_balanced(trial)
    assert trial.ledger
    assert trial.cost
    assert trial.ledger.own_delivered >= 300
    assert trial.cost.wakeups_taken == 0
    plain = run(rig, config(Producer(), 64 * KIB))
    assert plain.cost
    assert plain.cost.wakeups_taken > 0
    held = {}
    for producer in (DISCARDING, Producer()):
        asked = config(producer, 16 * KIB)
        full = run(rig, replace(asked, consumer=Consumer(poll=Poll.STOPPED)))
        assert_balanced(full)
        assert full.ledger
        held[producer.call] = full.ledger.delivered
    assert held[Call.DISCARD] == held[Call.RESERVE] // 2 == 102


@pytest.mark.live
def test_an_overwriting_ring_takes_no_discards(rig: Rig) -> None:
    with pytest.raises(UsageError, match="discarded"):
        find("overwrite").require(DISCARDING, rig.kernel)
