# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

import pytest

from bench.judge.statistics import FEWEST_BLOCKS
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import Poll, Wake
from bench.plan.duration import estimate_seconds, trial_seconds
from bench.plan.experiments import Experiment
from bench.questions.claims import run as claims_plan
from workloads.generator import check
from workloads.storm import Shape

RECORD_AND_HEADER_BYTES = 72 + 16


def planned(cpus: int = 2) -> dict[str, Experiment]:
    return {each.name: each for each in claims_plan.experiments(range(cpus))}


def test_two_cpus_take_less_than_nine_minutes() -> None:
    """Ten are allowed, and much has to be installed, compiled and judged as well."""
    assert sum(estimate_seconds(each) for each in planned().values()) < 540


def test_single_trials_stay_short() -> None:
    for experiment in planned().values():
        for arm in experiment.arms:
            assert 0 < trial_seconds(arm.config) < 2.0, f"{experiment.name} {arm.name}"


@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 8, 64])
def test_the_plan_fits_every_machine(cpus: int) -> None:
    found = claims_plan.experiments(range(cpus))
    assert len({experiment.name for experiment in found}) == len(found)
    for experiment in found:
        names = [arm.name for arm in experiment.arms]
        assert len(set(names)) == len(names)
        assert experiment.blocks >= FEWEST_BLOCKS
        for arm in experiment.arms:
            name = arm.name
            assert name.transport == arm.config.transport
            assert budgets.parse(name.actual or name.budget) == arm.config.budget_bytes
            check(arm.config.storm, range(cpus))
            shares = 1 if name.transport == "ringbuf" else cpus
            pages, rest = divmod(arm.config.budget_bytes, shares * PAGE_BYTES)
            assert rest == 0
            assert pages > 0
            assert pages & (pages - 1) == 0
            assert arm.config.budget_bytes <= 512 * budgets.MIB


def test_budgets_that_hold_everything_do() -> None:
    plan = planned()
    names = ("wake-forced", "reserve-output-0", "reserve-output-4096", "producers", "beside-busy")
    for name in names:
        for arm in plan[name].arms:
            config = arm.config
            record_bytes = RECORD_AND_HEADER_BYTES + config.producer.payload_bytes
            sent_bytes = config.storm.count * config.producer.records_per_exit * record_bytes
            shares = 1 if config.transport == "ringbuf" else 2
            assert sent_bytes <= config.budget_bytes // shares, f"{name} {arm.name}"


def test_a_full_buffer_is_full_from_the_start() -> None:
    for arm in planned()["full"].arms:
        assert arm.config.consumer.poll is Poll.STOPPED
        sent = arm.config.storm.count * arm.config.producer.records_per_exit
        assert sent * RECORD_AND_HEADER_BYTES > 100 * arm.config.budget_bytes


def test_ten_thousand_small_bursts_over_all_blocks() -> None:
    experiment = planned()["last-record"]
    storm = experiment.arms[0].config.storm
    assert storm.shape is Shape.BURST
    assert storm.count // storm.burst_size * experiment.blocks == 10_000


@pytest.mark.parametrize("cpus", [2, 4, 64])
def test_who_is_pinned_reads_where_nobody_writes(cpus: int) -> None:
    """All but the one experiment that asks what sharing a CPU does."""
    pinned = 0
    for name, experiment in planned(cpus=cpus).items():
        for arm in experiment.arms:
            reads, writes = arm.config.consumer.cpu, arm.config.storm.cpus
            if reads is not None and name != "same-cpu":
                assert writes, f"{name} {arm.name}"
                assert reads not in writes, f"{name} {arm.name}"
                pinned += 1
    assert pinned


def test_a_shared_cpu_is_shared() -> None:
    for arm in planned()["same-cpu"].arms:
        assert (arm.config.consumer.cpu,) == arm.config.storm.cpus


def test_producers_come_one_to_all() -> None:
    counts = {len(arm.config.storm.cpus) for arm in planned(cpus=6)["producers"].arms}
    assert counts == {1, 2, 4, 6}


def test_what_wakes_differently_is_never_called_the_same() -> None:
    for name in ("wake-adaptive", "wake-forced", "wake-timed-adaptive", "wake-timed-forced"):
        for arm in planned()[name].arms:
            assert arm.config.producer.wake.value == arm.name.variant
    wakes = {arm.config.producer.wake for arm in planned()["wake-output"].arms}
    assert wakes == {Wake.NONE}


def test_duets_share_their_storms_and_differ_in_what_they_ask() -> None:
    found = [each for each in planned().values() if each.duet]
    assert len(found) == 13
    for each in found:
        first, second = (arm.config for arm in each.arms)
        assert (first.storm, first.consumer, first.duet) == (
            second.storm,
            second.consumer,
            second.duet,
        )
        assert (first.producer, first.transport) != (second.producer, second.transport)


def test_one_cpu_is_asked_nothing_about_two() -> None:
    alone = planned(cpus=1)
    assert not {"noisy-cpu", "slow-producer", "drain-interval"} & set(alone)
    assert not any(each.duet for each in alone.values())


def test_memory_at_half_the_cpus_needs_four() -> None:
    assert "memory-half" not in planned(cpus=3)
    assert planned(cpus=4)["memory-half"].arms[0].config.storm.cpus == (0, 1)
