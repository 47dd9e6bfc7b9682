# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test plans for any list of CPUs: nothing is pinned to another, and every budget is possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soak import arbitrary

from bench.linux.procfs import MOST_CPUS
from bench.plan import budgets
from bench.plan.arms import ArmSpec, compose
from bench.plan.experiments import Arm, ArmName, Experiment, comparisons
from bench.questions.claims import run as claims_plan
from bench.questions.kernels import profile
from bench.questions.transports import profiles
from bench.tracer import live, transports
from bench.tracer.transport import BufferRequest
from workloads.generator import check

PAGE = 4096
SPARSE = (0, 2, 4, 6)
COUNTS = (1, 2, 3, 6, 12, 48, 500, 513, 1_025, MOST_CPUS)
cpu_lists = st.lists(st.integers(0, MOST_CPUS - 1), min_size=1, max_size=24, unique=True).map(
    lambda numbers: tuple(sorted(numbers))
)
slow = settings(max_examples=25)


def plans(cpus: Sequence[int]) -> Iterator[Experiment]:
    yield from claims_plan.experiments(cpus)
    yield from profiles.profile("thorough", cpus).experiments
    yield from profile.experiments(profile.Setting(rate_per_s=4_000.0, cpus=len(cpus)))


def assert_possible(arm: Arm, cpus: Sequence[int]) -> None:
    config = arm.config
    check(config.storm, cpus)  # its CPUs, workers and shape
    assert config.consumer.cpu is None or config.consumer.cpu in cpus
    assert config.producer.delay_cpu == -1 or config.producer.delay_cpu in cpus
    if transports.traits(config.transport).per_cpu:
        every = tuple(range(MOST_CPUS))
        request = BufferRequest(config=config, cpus=every, sharing=tuple(cpus))
        assert request.pages_per_cpu() * PAGE <= budgets.LARGEST_RING_BYTES
    elif config.budget_bytes:
        budgets.check(config.budget_bytes, memory_bytes=1 << 62)


@slow
@given(cpu_lists)
def test_what_is_planned_fits_any_cpus(cpus: tuple[int, ...]) -> None:
    for experiment in plans(cpus):
        for arm in experiment.arms:
            assert_possible(arm, cpus)


@pytest.mark.parametrize("count", COUNTS)
def test_what_is_planned_fits_any_number_of_cpus(count: int) -> None:
    for experiment in plans(range(count)):
        for arm in experiment.arms:
            assert_possible(arm, range(count))


@slow
@given(cpu_lists, st.integers(0, 2**32))
def test_arbitrary_trials_fit_any_cpus(cpus: tuple[int, ...], seed: int) -> None:
    setting = arbitrary.Setting(transports=transports.names(), cpus=cpus)
    assert_possible(arbitrary.arm(setting, seed, 0), cpus)


def test_pinning_names_cpus_that_are_there() -> None:
    """SMT siblings off: the CPUs are 0, 2, 4, 6, and no experiment is lost for that."""
    found = {each.name: each for each in claims_plan.experiments(SPARSE)}
    assert set(found) == {each.name for each in claims_plan.experiments(range(4))}
    pinned = {
        (arm.config.storm.cpus, arm.config.consumer.cpu)
        for each in found.values()
        for arm in each.arms
    }
    assert {cpu for cpus, reader in pinned for cpu in (*cpus, reader)} == {*SPARSE, None}
    slow = next(arm for arm in found["slow-producer"].arms if arm.name.endswith("/delayed"))
    assert slow.config.producer.delay_cpu == 0
    assert found["memory-half"].arms[0].config.storm.cpus == (0, 2)
    elsewhere = {each.name: each for each in claims_plan.experiments((5, 9))}
    assert {arm.config.consumer.cpu for arm in elsewhere["beside-busy"].arms} == {9}
    assert {arm.config.storm.cpus for arm in elsewhere["same-cpu"].arms} == {(5,)}
    delays = {arm.config.producer.delay_cpu for arm in elsewhere["slow-producer"].arms}
    assert delays == {-1, 5}


def test_what_cannot_run_is_left_out_by_name() -> None:
    assert claims_plan.left_out(SPARSE) == ()
    alone = claims_plan.left_out((3,))
    assert "beside-busy: left out, it needs more CPUs than the 1 that may be used" in alone
    assert {line.split(":")[0] for line in alone} == {
        *("drain-interval", "memory-half", "memory-spread", "noisy-cpu", "slow-producer"),
        *("beside-asleep", "beside-busy", "storm-duet", "trickle-duet", "wake-adaptive"),
        *("wake-forced", "wake-output", "wake-timed-adaptive", "wake-timed-forced"),
        *(f"reserve-output-{size}" for size in (0, 256, 1024, 4096)),
        *("reading-128", "reading-2400"),
        *("dynptr-output", "slow-consumer", "one-producer", "order-sharded", "many-buffers"),
        *("chain", "stall", "equal-n"),
    }  # fmt: skip
    profile = profiles.profile("standard", (3,))
    assert [line.split(":")[0] for line in profile.left_out] == [
        "pingpong", "storm-duet", "trickle-duet", "pingpong-epoll", "pingpong-busy",
    ]  # fmt: skip
    assert not any(each.name.startswith("pingpong") for each in profile.experiments)
    assert profiles.profile("standard", (3, 9)).left_out == ()


def test_budgets_beyond_any_ring_are_left_out_by_name() -> None:
    lines = claims_plan.left_out(range(2_000))
    assert any(line.startswith("producers, ringbuf@") and "2GiB" in line for line in lines)
    assert any(line.startswith("producers, perfbuf@") for line in lines)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", transports.names())
def test_a_trace_s_own_budget_is_possible(name: str, count: int) -> None:
    budget_bytes = live.usual_budget_bytes(name, count)
    arm = Arm(name=ArmName.parse(name), config=_config(name, budget_bytes))
    assert_possible(arm, range(count))
    assert budget_bytes > 4 << 20 or count > 1_024
    assert budget_bytes <= max(8 << 20, count * PAGE)


def _config(name: str, budget_bytes: int) -> profiles.TrialConfig:
    return profiles.TrialConfig(
        transport=name, budget_bytes=budget_bytes, storm=profiles.storms(2)[profiles.Shape.STORM]
    )


@pytest.mark.parametrize("count", [3, 6, 12])
def test_shards_face_perf_buffers_of_their_own_size(count: int) -> None:
    """Let a budget that the CPUs cannot share evenly stand for two sizes, of both transports."""
    experiment = compose(
        name="x",
        title="?",
        config=_config("none", 0),
        sides=[
            ArmSpec(transport=transports.find(each)) for each in ("ringbuf", "sharded", "perfbuf")
        ],
        budgets_bytes=(1 << 20,),
        blocks=8,
        cpus=count,
    )
    size = {arm.name: arm.config.budget_bytes for arm in experiment.arms}
    assert len(size) == 5
    pairs = comparisons(size)
    shards = [pair for pair in pairs if pair.left.startswith("sharded")]
    assert len(shards) == 2
    assert all(size[pair.left] == size[pair.right] for pair in shards)
    assert sum(pair.left.startswith("ringbuf") for pair in pairs) == 2


def test_a_share_is_of_the_cpus_that_the_storm_may_use() -> None:
    config = _config("perfbuf", 64 << 10)
    one = BufferRequest(config=config, cpus=(0, 1, 2), sharing=(1,))
    assert one.pages_per_cpu() == 16
