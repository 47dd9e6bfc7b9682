# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

from dataclasses import replace

import pytest

from bench.judge.statistics import FEWEST_BLOCKS
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.config import Poll, Wake
from bench.plan.duration import estimate_seconds, trial_seconds
from bench.plan.experiments import Experiment
from bench.questions.claims import run as claims_plan
from bench.questions.claims.catalogue import claims
from bench.tracer.build import Kernel
from bench.tracer.transports import traits
from workloads.generator import check
from workloads.storm import Gap, Shape

RECORD_AND_HEADER_BYTES = 72 + 16


def planned(cpus: int = 2) -> dict[str, Experiment]:
    return {each.name: each for each in claims_plan.experiments(range(cpus))}


def test_two_cpus_take_less_than_ten_minutes() -> None:
    wanted = claims_plan.needed(claims(), [*planned().values()])
    assert sum(estimate_seconds(each) for each in wanted) < 600


class TestKernelsThatLackSomething:
    OLD = Kernel("5.10.0", {}, {}, dynptr=False, overwrites=False)
    NEW = Kernel("7.3.4", {}, {}, dynptr=True, overwrites=True)

    def test_a_new_one_runs_everything(self) -> None:
        assert claims_plan.experiments(range(2), self.NEW) == claims_plan.experiments(range(2))

    def test_an_old_one_does_without_what_cannot_run_and_says_so(self) -> None:
        lacking = {"dynptr-output", "overwriting"}
        found = {each.name for each in claims_plan.experiments(range(2), self.OLD)}
        assert found == {*planned()} - lacking
        said = claims_plan.left_out(range(2), None, self.OLD)
        words = "overwrite@1MiB/1cpu: not applicable, this kernel's ring buffers cannot overwrite"
        assert any(line.startswith(f"overwriting, {words}") for line in said)
        assert any("bpf_ringbuf_reserve_dynptr" in line for line in said)


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
            shares = cpus if traits(name.transport).per_cpu else 1
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
    control = experiment.arms[1].config
    assert (control.producer.wake, control.storm.count) == (Wake.FORCED, storm.count // 5)
    assert control.storm.count % control.storm.burst_size == 0


@pytest.mark.parametrize("cpus", [2, 4, 64])
def test_who_is_pinned_reads_where_nobody_writes(cpus: int) -> None:
    """Leave out the one experiment that asks what sharing a CPU does."""
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
    assert len(found) == 16
    for each in found:
        first, second = (arm.config for arm in each.arms)
        assert (first.storm, first.consumer, first.duet) == (
            second.storm,
            second.consumer,
            second.duet,
        )
        assert first != replace(second, budget_bytes=first.budget_bytes)


def test_one_cpu_is_asked_nothing_about_two() -> None:
    alone = planned(cpus=1)
    assert not {"noisy-cpu", "slow-producer", "drain-interval"} & set(alone)
    assert not any(each.duet for each in alone.values())


def test_the_same_count_is_the_same_number_of_records() -> None:
    ring, perf = (arm.config.producer for arm in planned()["equal-n"].arms if arm.name.copy == 1)
    assert (ring.wake, perf.wake) == (Wake.BYTES, Wake.WATERMARK)
    assert ring.watermark == perf.watermark * (72 + 8)


def test_the_larger_ring_of_a_slow_consumer_holds_a_hundredth_of_the_storm_at_most() -> None:
    arms = planned()["slow-consumer"].arms
    large = max(arms, key=lambda arm: arm.config.budget_bytes).config
    sent = large.storm.count * large.producer.records_per_exit
    assert large.budget_bytes / (72 + 8) < 0.01 * sent


def test_a_slow_consumer_is_never_without_records_and_gets_as_many_in_every_storm() -> None:
    small = min(planned()["slow-consumer"].arms, key=lambda arm: arm.config.budget_bytes).config
    gap_ns = 1e9 / small.storm.rate_per_s
    read_in_a_gap = gap_ns / small.consumer.cost_ns
    assert small.storm.gap is Gap.FIXED
    assert read_in_a_gap < small.producer.records_per_exit
    assert 3 * read_in_a_gap < small.budget_bytes / (72 + 8)


def test_the_quiet_cpu_keeps_no_step_with_the_reader_and_fits_into_its_perf_buffer() -> None:
    perf = next(arm for arm in planned()["noisy-cpu"].arms if arm.config.transport == "perfbuf")
    storm, consumer, producer = perf.config.storm, perf.config.consumer, perf.config.producer
    assert storm.gap is Gap.EXPONENTIAL
    records = storm.rate_per_s * consumer.interval_ms / 1e3 * producer.records_per_exit
    assert 2 * records * (72 + 16) < perf.config.budget_bytes / 2  # of each CPU


def test_memory_at_half_the_cpus_needs_four() -> None:
    assert "memory-half" not in planned(cpus=3)
    assert planned(cpus=4)["memory-half"].arms[0].config.storm.cpus == (0, 1)
