# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the matrix profile: by fork, few programs, and sized for guests fast and slow."""

from __future__ import annotations

import pytest

from bench.plan.config import Attach
from bench.plan.duration import OVERHEAD_S
from bench.plan.experiments import LADDER_STORMS, Experiment
from bench.questions.kernels import profile
from bench.record.layout import RECORD_BYTES
from bench.tracer import settings
from workloads.storm import Shape, Spawn

RING_RECORD_BYTES = RECORD_BYTES + 8
PERF_RECORD_BYTES = RECORD_BYTES + 16  # its header of 12 and padding
RATES_PER_S = (30.0, 120.0, 800.0, 8_000.0, 40_000.0)


@pytest.fixture(params=RATES_PER_S)
def on(request: pytest.FixtureRequest) -> profile.Setting:
    return profile.Setting(rate_per_s=request.param, cpus=2)


def test_every_storm_is_by_fork(on: profile.Setting) -> None:
    for experiment in (profile.calibration(2), *profile.experiments(on)):
        assert {arm.config.storm.spawn for arm in experiment.arms} == {Spawn.FORK}


def test_one_program_for_each_transport(on: profile.Setting) -> None:
    """bcc's compiler takes half a minute in an emulated guest."""
    builds = {
        (arm.config.transport, *settings.macros(arm.config.producer).items())
        for experiment in profile.experiments(on)[:-1]
        for arm in experiment.arms
    }
    assert len(builds) == len({transport for transport, *_ in builds})


def test_enough_blocks_for_verdicts_and_for_the_ladder(on: profile.Setting) -> None:
    blocks = {experiment.name: experiment.blocks for experiment in profile.experiments(on)}
    assert blocks.pop("torn") == 2  # sums, no verdicts
    assert all(count >= profile.BLOCKS for count in blocks.values())
    assert blocks["memory-spread"] == LADDER_STORMS


def test_what_may_tear_comes_last_beside_what_must_not(on: profile.Setting) -> None:
    last = profile.experiments(on)[-1]
    arms = {
        (arm.config.transport, each.attach, each.scratch)
        for arm in last.arms
        if (each := arm.config.producer).checked and each.delay_ns
    }
    assert last.name == "torn"
    assert len(arms) == len(last.arms)
    assert {("ringbuf", Attach.RAW, scratch) for scratch in (False, True)} < arms
    assert {("ringbuf", Attach.TRACEPOINT, True), ("perfbuf", Attach.RAW, True)} < arms


def test_every_guest_makes_a_thousand_causal_pairs(on: profile.Setting) -> None:
    chain = next(each for each in profile.experiments(on) if each.name == "chain")
    for arm in chain.arms:
        storm = arm.config.storm
        assert storm.shape is Shape.CHAIN
        assert storm.count * (storm.depth - 1) / storm.depth > 1_000


def test_a_kernel_without_the_ring_buffer_runs_the_perf_buffer_alone() -> None:
    on = profile.Setting(rate_per_s=800.0, cpus=2, transports=("perfbuf",))
    used = {
        arm.config.transport for experiment in profile.experiments(on) for arm in experiment.arms
    }
    assert used == {"none", "noop", "perfbuf"}


def test_neighbours_call_in_one_experiment_only(on: profile.Setting) -> None:
    calling = {
        experiment.name
        for experiment in profile.experiments(on)
        for arm in experiment.arms
        if arm.config.map_callers
    }
    assert calling == {"storm-noise"}


def named(on: profile.Setting, name: str) -> Experiment:
    return next(each for each in profile.experiments(on) if each.name == name)


def test_most_of_what_is_to_be_refused_finds_no_room(on: profile.Setting) -> None:
    for arm in named(on, "refused").arms:
        held = arm.config.budget_bytes // RING_RECORD_BYTES
        assert arm.config.storm.count > 1.4 * held
        if on.rate_per_s >= 150:
            assert arm.config.storm.count > 2.5 * held


@pytest.mark.parametrize("name", ["memory-spread", "memory-onecpu"])
@pytest.mark.parametrize("cpus", [1, 2, 3, 4, 8])
def test_a_ladder_goes_from_one_buffer_to_one_for_each_cpu(cpus: int, name: str) -> None:
    on = profile.Setting(rate_per_s=800.0, cpus=cpus)
    arms = [arm.config for arm in named(on, name).arms]
    storm = arms[0].storm
    least = min(arm.budget_bytes for arm in arms if arm.transport == "ringbuf")
    assert 4096 < storm.most_processes * RING_RECORD_BYTES < least
    most = max(arm.budget_bytes for arm in arms if arm.transport == "perfbuf")
    assert storm.most_processes * PERF_RECORD_BYTES < most / cpus


def test_storms_take_a_second_or_two_at_most(on: profile.Setting) -> None:
    """In a guest that makes as many processes a second as it was sized for."""
    for experiment in profile.experiments(on):
        for arm in experiment.arms:
            storm = arm.config.storm
            rate_per_s = storm.rate_per_s or on.rate_per_s / 2  # one CPU at the worst
            if experiment.name == "chain":  # as long as a thousand pairs take
                continue
            if on.rate_per_s >= 800:
                assert storm.count / rate_per_s < 2
            assert OVERHEAD_S + storm.count / rate_per_s < 12
