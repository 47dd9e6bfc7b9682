# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what a consumer does while it waits: system calls, and a stop for the whole storm."""

from __future__ import annotations

import pytest
from trials import KIB, READERS, assert_balanced, records, run

from bench.plan.config import Consumer, Poll, Reader, TrialConfig
from bench.trial.rig import Rig
from workloads.storm import Shape, Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

TRANSPORTS = ("ringbuf", "perfbuf", "sharded")
TRICKLE = Storm(shape=Shape.TRICKLE, count=600, rate_per_s=2_000.0)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_busy_polling_makes_no_calls_and_epoll_does(rig: Rig, transport: str) -> None:
    for poll in (Poll.BUSY, Poll.EPOLL):
        config = TrialConfig(
            transport=transport,
            budget_bytes=256 * KIB,
            storm=TRICKLE,
            consumer=Consumer(poll=poll, count_syscalls=True),
        )
        trial = run(rig, config)
        assert_balanced(trial)
        assert trial.cost
        assert trial.cost.consumer_syscalls is not None
        if poll is Poll.BUSY:
            assert trial.cost.consumer_syscalls < TRICKLE.count // 20  # as it begins and ends
        else:
            # One for each time that it was woken, but for those before they were counted.
            assert trial.cost.consumer_syscalls > trial.cost.wakeups_taken // 2 > 0


def test_calls_are_not_counted_unasked(rig: Rig) -> None:
    trial = run(rig, TrialConfig(transport="ringbuf", budget_bytes=256 * KIB, storm=TRICKLE))
    assert trial.cost
    assert trial.cost.consumer_syscalls is None


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_a_stopped_consumer_reads_one_full_buffer(rig: Rig, transport: str, reader: Reader) -> None:
    budget_bytes = 16 * KIB
    config = TrialConfig(
        transport=transport,
        budget_bytes=budget_bytes,
        storm=Storm(count=2_000),
        consumer=Consumer(reader=reader, poll=Poll.STOPPED),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger
    assert 0 < trial.ledger.delivered <= budget_bytes // 80  # either header and its padding
    assert trial.ledger.dropped >= 2_000 - budget_bytes // 80
    assert int(records(rig)["delivered_ns"].min()) >= trial.storm.end_ns


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_fits_is_read_whole_after_the_storm(rig: Rig, transport: str) -> None:
    config = TrialConfig(
        transport=transport,
        budget_bytes=4096 * KIB,
        storm=Storm(count=2_000),
        consumer=Consumer(poll=Poll.STOPPED),
    )
    trial = run(rig, config)
    assert_balanced(trial)
    assert trial.ledger
    assert trial.ledger.dropped == 0
    assert trial.occupancy
    assert int(records(rig)["delivered_ns"].min()) >= trial.storm.end_ns
