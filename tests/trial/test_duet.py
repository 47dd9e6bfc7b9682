# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test duets in the real kernel: both ledgers balance, and what is put in comes out."""

from __future__ import annotations

import os
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from trials import KIB, STORMS, delays, records

from bench.errors import MachineUnfit, UsageError
from bench.judge.duets import paired_ratio
from bench.plan.arms import compose_duet, side
from bench.plan.config import AGES, Consumer, Duet, Poll, Reader, TrialConfig
from bench.plan.experiments import Arm
from bench.record.counters import mean
from bench.record.records import Flag
from bench.tracer.transports import find
from bench.trial.duet import run_duet
from bench.trial.result import State, TrialResult
from bench.trial.rig import Rig
from bench.trial.run import Slot
from workloads.storm import Shape, Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

RULES = {
    "record": Duet(),
    "window": Duet(window_ns=1_000_000, washout_ns=200_000),
}


def arms(config: TrialConfig, first: str, second: str, budget_bytes: int) -> tuple[Arm, ...]:
    sides = side(first, find), side(second, find)
    cpus = len(os.sched_getaffinity(0))
    return compose_duet("test", "", sides, config, budget_bytes, blocks=1, cpus=cpus).arms


def play(
    rig: Rig,
    first: str,
    second: str,
    *,
    storm: Storm = STORMS[Shape.STORM],
    rule: Duet = RULES["record"],
    budget_bytes: int = 256 * KIB,
    consumer: Consumer | None = None,
    block: int = 0,
) -> tuple[TrialResult, TrialResult]:
    """Run one storm under both arms."""
    config = TrialConfig(
        transport="none",
        budget_bytes=0,
        storm=storm,
        consumer=consumer or Consumer(),
        duet=rule,
    )
    left, right = arms(config, first, second, budget_bytes)
    return run_duet(rig, (left, right), Slot(experiment="test", block=block, position=0), seed=1)


def assert_balanced(*trials: TrialResult) -> None:
    """Assert that both ledgers balance, and both arms together saw every process of the storm."""
    seen = 0
    for trial in trials:
        book = trial.ledger
        assert book is not None
        assert book.residues == ()
        assert trial.state is not State.INVALID, trial.reasons
        assert book.own_attempted == book.own_delivered + book.own_dropped
        assert book.own_attempted == book.own_exits * trial.config.producer.records_per_exit
        assert book.missed == 0
        seen += book.own_exits
    assert seen == trials[0].storm.reaped == trials[1].storm.reaped


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ringbuf", "perfbuf"),
        ("ringbuf", "ringbuf"),
        ("perfbuf", "perfbuf"),
        ("ringbuf:output", "sharded"),
        ("ringbuf:forced", "perfbuf:wakeup=16"),
        ("ringbuf:payload=512", "perfbuf:payload=512"),
        ("ringbuf:position=visit", "ringbuf"),
        ("ringbuf", "perfbuf:position=visit"),
        ("ringbuf:copy=whole:payload=2328", "ringbuf:position=visit:payload=2328"),
        ("perfbuf:copy=whole", "perfbuf"),
    ],
)
def test_both_ledgers_balance(rig: Rig, first: str, second: str, rule: str) -> None:
    for block in range(4):  # both orders of buffers, and both meanings of the hash
        trials = play(rig, first, second, rule=RULES[rule], block=block)
        assert_balanced(*trials)
        halves = [trial.half for trial in trials]
        assert [half.second for half in halves if half] == [False, True]
        assert sorted(trial.position for trial in trials) == [0, 1]
        assert trials[block % 2].position == 0
        assert {trial.cost for trial in trials} == {None}  # one consumer read both


@pytest.mark.parametrize("shape", Shape)
def test_every_shape_balances(rig: Rig, shape: Shape) -> None:
    for rule in RULES.values():
        assert_balanced(*play(rig, "ringbuf", "perfbuf", storm=STORMS[shape], rule=rule))


def read_ns(trial: TrialResult) -> float:
    """Return what the consumer took to read a record of this arm."""
    assert trial.half is not None
    assert trial.half.reading_ns is not None
    assert trial.ledger is not None
    return trial.half.reading_ns / trial.ledger.delivered


def test_reading_is_timed_by_arm(rig: Rig) -> None:
    for cost_ns in (300, 600):
        for trial in play(rig, "ringbuf", "perfbuf", consumer=Consumer(cost_ns=cost_ns)):
            assert cost_ns < read_ns(trial) <= 1_000  # the bound of a visit that was held up


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf"])
def test_a_long_record_takes_longer_to_copy_whole_than_to_read_in_place(
    rig: Rig, transport: str
) -> None:
    """Read what is left of a backlog at once, by a reader alone.

    The least of several times: all that else runs on the machine only adds to them.
    """
    least_ns = [inf, inf]
    for block in range(8):
        trials = play(
            rig,
            f"{transport}:none:payload=4096:copy=whole",
            f"{transport}:none:payload=4096:position=visit",
            storm=Storm(count=1_500),
            budget_bytes=32 << 20,
            consumer=Consumer(poll=Poll.STOPPED),
            block=block,
        )
        assert_balanced(*trials)
        least_ns = [min(known, read_ns(each)) for known, each in zip(least_ns, trials, strict=True)]
    assert least_ns[0] > least_ns[1]


def test_a_thousand_records_an_exit_balance(rig: Rig) -> None:
    storm = Storm(count=200)
    trials = play(rig, "ringbuf:records=1000", "perfbuf:records=1000", storm=storm)
    assert_balanced(*trials)
    for trial in trials:
        assert trial.write is not None
        assert trial.ledger is not None
        assert trial.write.written + trial.write.refused == trial.ledger.attempted


@pytest.mark.parametrize(
    "consumer", [Consumer(stall_ms=200.0), Consumer(poll=Poll.STOPPED), Consumer(poll=Poll.BUSY)]
)
def test_losses_are_counted_by_each_arm(rig: Rig, consumer: Consumer) -> None:
    trials = play(rig, "ringbuf", "perfbuf", budget_bytes=8 * KIB, consumer=consumer)
    assert_balanced(*trials)
    for trial in trials:
        assert trial.write is not None
        assert trial.ledger is not None
        assert trial.write.refused == trial.ledger.dropped
        assert trial.write.written == trial.ledger.delivered
        if consumer.poll is Poll.STOPPED:
            assert trial.ledger.own_dropped > 0


def test_the_coin_is_fair_and_the_journal_can_throw_it_again(rig: Rig) -> None:
    halves, keys = [], set()
    for block in range(8):
        trials = play(rig, "ringbuf", "perfbuf", block=block, storm=Storm(count=2_000))
        rows = records(rig)
        second = (rows["flags"] & Flag.SECOND) != 0
        halves.append(float(second.mean()))
        half = trials[0].half
        assert half is not None
        keys.add(half.key)
        drawn = _mixed(np.uint64(half.key), rows["pid"].astype(np.uint64)) & np.uint64(1)
        assert (drawn == second).all()
        assert half.swapped == bool(block & 2)
        of_first = second if half.swapped else ~second
        assert trials[0].ledger is not None
        assert trials[0].ledger.delivered == of_first.sum()
    assert 0.47 < float(np.mean(halves)) < 0.53
    assert len(keys) == 8


def _mixed(key: np.uint64, units: np.ndarray) -> np.ndarray:
    """Return the hash of bpf/duet/choose.bpf.c."""
    value = key + units * np.uint64(0x9E3779B97F4A7C15)
    value ^= value >> np.uint64(30)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    return value ^ value >> np.uint64(31)


def test_windows_come_in_pairs_of_both_arms(rig: Rig) -> None:
    rule = Duet(window_ns=2_000_000, washout_ns=400_000)
    trials = play(rig, "ringbuf", "perfbuf", rule=rule, storm=Storm(count=6_000))
    half = trials[0].half
    assert half is not None
    rows = records(rig)
    rows = rows[rows["timestamp_ns"] % np.uint64(rule.window_ns) >= rule.washout_ns]
    window = rows["timestamp_ns"] // np.uint64(rule.window_ns)
    second = (rows["flags"] & Flag.SECOND) != 0
    drawn = (_mixed(np.uint64(half.key), window >> np.uint64(1)) ^ window) & np.uint64(1)
    # A vCPU that is preempted between choice and stamp may stamp the record in a later window.
    assert float(np.mean(drawn == second)) > 0.99
    seen = {int(each) for each in np.unique(window[drawn == second])}
    assert len([each for each in seen if each % 2 == 0 and each + 1 in seen]) > 5


def test_each_age_of_the_windows_has_its_writes_and_its_records(rig: Rig) -> None:
    rule = RULES["window"]
    beyond = range(AGES * rule.washout_ns // rule.window_ns, AGES)
    for trial in play(rig, "ringbuf", "perfbuf", rule=rule, storm=Storm(count=6_000)):
        assert trial.write is not None
        assert trial.half is not None
        assert trial.ledger is not None
        writes, records = trial.write.by_age, trial.half.latency_by_age
        assert sum(count for count, _ in writes) == trial.ledger.delivered
        assert sum(count for count, _ in records) == trial.ledger.delivered
        assert sum(writes[age][0] for age in beyond) == trial.write.written
        assert all(count > 0 and ns > 0 for count, ns in writes)
        assert sum(ns for _, ns in writes) >= 0.5 * trial.write.written_ns
        assert {count - other for (count, _), (other, _) in zip(writes, records, strict=True)} <= {
            *range(-20, 21)  # a write begins just before its record is stamped
        }
    for trial in play(rig, "ringbuf", "perfbuf"):
        assert trial.write is not None
        assert trial.write.by_age == ()


@pytest.mark.parametrize(("delay_ns", "tolerated"), [(1_000, 1 / 3), (50_000, 0.05)])
@pytest.mark.parametrize("rule", RULES)
def test_a_delay_of_one_arm_is_found_with_its_size(
    rig: Rig, rule: str, delay_ns: int, tolerated: float
) -> None:
    """Without wake-ups: a consumer that catches up behind a slow producer has more of them.

    What is found is compared with what the delays really were: an interrupt, or the hypervisor,
    makes one that ends by the clock longer than it was asked for.
    """
    differences, delays_ns = [], []
    for block in range(12):
        left, right = play(
            rig,
            f"ringbuf:none:delay={delay_ns}",
            "ringbuf:none",
            rule=RULES[rule],
            storm=Storm(count=2_000),
            consumer=Consumer(poll=Poll.BUSY),
            block=block,
        )
        assert_balanced(left, right)
        assert left.write is not None
        assert right.write is not None
        differences.append((left.write.write_ns or 0) - (right.write.write_ns or 0))
        delays_ns.append(mean(delays(rig, left)) + left.write.clock_ns)  # its last reading too
    assert float(np.median(delays_ns)) > delay_ns
    found = float(np.median(differences))
    assert found == pytest.approx(float(np.median(delays_ns)), rel=tolerated)


def test_the_same_arm_twice_shows_no_difference(rig: Rig) -> None:
    trials = [play(rig, "ringbuf", "ringbuf", block=block) for block in range(16)]
    times = [[each.write.write_ns or 0 for each in pair if each.write] for pair in trials]
    found = paired_ratio(*zip(*times, strict=True))
    assert found.p > 1e-5  # by chance alone once in 100,000 runs


def test_arms_that_cannot_share_a_storm_are_refused(rig: Rig) -> None:
    with pytest.raises(UsageError, match="another reader"):
        play(rig, "ringbuf", "perfbuf", consumer=Consumer(reader=Reader.LIBBCC))


def test_a_kernel_without_ring_buffers_is_refused(rig: Rig) -> None:
    known = rig.kernel
    rig.kernel = replace(known, facts={**known.facts, "ring_buffer": "no"})
    try:
        with pytest.raises(MachineUnfit, match="no BPF ring buffer"):
            play(rig, "ringbuf", "perfbuf")
        play(rig, "perfbuf", "perfbuf", storm=Storm(count=200))
    finally:
        rig.kernel = known


def test_one_cpu_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig, "usable", rig.usable[:1])
    with pytest.raises(MachineUnfit, match="2 usable CPUs"):
        play(rig, "ringbuf", "perfbuf")
    play(rig, "ringbuf", "perfbuf", rule=Duet(solo=True), storm=Storm(count=200))


def test_solo_each_arm_has_a_storm_to_itself(rig: Rig) -> None:
    for block in range(4):
        trials = play(rig, "ringbuf", "perfbuf", rule=Duet(solo=True), block=block)
        assert trials[0].storm.start_ns != trials[1].storm.start_ns
        assert (trials[0].storm.start_ns < trials[1].storm.start_ns) == (block % 2 == 0)
        for trial in trials:
            book = trial.ledger
            assert book is not None
            assert book.residues == ()
            assert book.own_exits == trial.storm.reaped
            assert trial.half is not None
            assert trial.half.ranks is None
            assert trial.write is not None
            assert trial.write.written == book.delivered
            assert trial.cost is not None
            assert trial.cost.delivered == book.delivered
            assert 0 < trial.cost.consumer_cpu_ns < trial.cost.storm_ns * 2


def test_solo_each_arm_is_read_as_it_is_to_be(rig: Rig) -> None:
    """Read one arm every 20 ms without wake-ups, and wake at every record of the other."""
    # Much longer than a reader may have to wait for a CPU.
    paced = Storm(shape=Shape.TRICKLE, workers=1, count=1_200, rate_per_s=2_000)
    rule = Duet(solo=True)
    config = TrialConfig(transport="none", budget_bytes=0, storm=paced, duet=rule)
    flushed, woken = arms(config, "perfbuf:none", "perfbuf", 256 * KIB)
    flushed = replace(flushed, config=replace(flushed.config, consumer=Consumer(flush_ms=20.0)))
    for block in range(2):
        place = Slot(experiment="test", block=block, position=0)
        seldom, often = run_duet(rig, (flushed, woken), place, seed=1)
        assert seldom.config.consumer.flush_ms == 20.0
        assert seldom.latency is not None
        assert often.latency is not None
        assert seldom.latency.p50_ns > 2_000_000 > often.latency.p50_ns
        assert seldom.cost is not None
        assert often.cost is not None
        assert seldom.cost.consumer_cpu_ns < often.cost.consumer_cpu_ns / 2
