# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test counts in the kernel: each exit is counted or refused, however often they are read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from trials import KIB, STORMS, assert_balanced, run

from bench.errors import UsageError
from bench.plan.arms import compose_duet, side
from bench.plan.config import Consumer, Duet, Poll, Producer, Reader, TrialConfig
from bench.tracer import tables
from bench.tracer.transports import find
from bench.trial.duet import run_duet
from bench.trial.rig import Rig
from bench.trial.run import Slot
from workloads.storm import Shape

pytestmark = [pytest.mark.live, pytest.mark.slow]

OFTEN = Consumer(poll=Poll.TIMED, interval_ms=10.0)


def config(name: str, budget_bytes: int = 1024 * KIB, **given: object) -> TrialConfig:
    plain = TrialConfig(
        transport=name, budget_bytes=budget_bytes, storm=STORMS[Shape.STORM], consumer=OFTEN
    )
    return replace(plain, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("records_per_exit", [1, 20])
@pytest.mark.parametrize("name", ["aggregate", "aggregate:keys=500"])
def test_what_is_counted_is_what_ended(rig: Rig, name: str, records_per_exit: int) -> None:
    trial = run(rig, config(name, producer=Producer(records_per_exit=records_per_exit)))
    assert_balanced(trial)
    assert trial.ledger is not None
    assert trial.ledger.own_delivered == records_per_exit * trial.storm.reaped
    assert trial.cost is not None
    assert trial.cost.wakeups_taken > 0  # times that a table was read
    assert trial.cost.consumer_cpu_ns > 0
    assert (trial.latency, trial.ordering) == (None, None)
    assert sum(each.delivered for each in trial.by_cpu) == trial.ledger.delivered


def test_a_full_table_refuses_and_says_so(rig: Rig) -> None:
    asked = config("aggregate:keys=10000", 16 * KIB, consumer=replace(OFTEN, poll=Poll.STOPPED))
    asked = replace(asked, producer=Producer(records_per_exit=50))
    trial = run(rig, asked)
    assert_balanced(trial)
    assert trial.ledger is not None
    assert trial.ledger.dropped_by_cause == {"E2BIG": trial.ledger.dropped}
    most = tables.entries(16 * KIB, len(rig.cpus))
    assert trial.ledger.delivered >= most
    assert trial.ledger.own_dropped > trial.ledger.own_attempted // 2


def test_read_often_the_same_table_holds_more(rig: Rig) -> None:
    kept = []
    for consumer in (OFTEN, replace(OFTEN, poll=Poll.STOPPED)):
        slow = config("aggregate:keys=100000", 16 * KIB, consumer=consumer)
        trial = run(rig, replace(slow, storm=STORMS[Shape.TRICKLE]))  # for 20 times the interval
        assert_balanced(trial)
        assert trial.ledger is not None
        kept.append(trial.ledger.delivered)
    assert kept[0] > kept[1]


@pytest.mark.parametrize("rule", [Duet(), Duet(window_ns=1_000_000, washout_ns=200_000)])
def test_a_duet_with_a_ring_balances_on_both_sides(rig: Rig, rule: Duet) -> None:
    plain = replace(config("none", 0), consumer=Consumer(), duet=rule)
    sides = side("aggregate", find), side("ringbuf", find)
    arms = compose_duet("test", "", sides, plain, 256 * KIB, blocks=1, cpus=2).arms
    for block in range(4):
        place = Slot(experiment="test", block=block, position=0)
        counting, sending = run_duet(rig, (arms[0], arms[1]), place, seed=1)
        for trial in (counting, sending):
            assert trial.ledger is not None
            assert trial.ledger.residues == ()
            assert trial.ledger.own_delivered > 300
            assert trial.write is not None
            timed, counted = trial.write.written, trial.ledger.delivered
            assert 100 < timed < counted if rule.window_ns else timed == counted


@pytest.mark.parametrize(
    "given",
    [
        {"producer": Producer(payload_bytes=64)},
        {"producer": Producer(delay_ns=1_000)},
        {"consumer": Consumer(reader=Reader.LIBBCC)},
    ],
    ids=["payload", "delay", "libbcc"],
)
def test_what_only_records_have_is_refused(rig: Rig, given: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        run(rig, config("aggregate", **given))
