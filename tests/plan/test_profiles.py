# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.judge.statistics import FEWEST_BLOCKS
from bench.linux.pages import PAGE_BYTES
from bench.plan import budgets
from bench.plan.budgets import KIB, MIB
from bench.plan.config import Poll
from bench.plan.duration import estimate_seconds, nominal_rate_per_s, storm_seconds
from bench.plan.experiments import LADDER_STORMS, Experiment, comparisons, twins
from bench.questions.transports import profiles
from workloads.storm import Shape, Spawn, Storm


def experiments(name: str, cpus: int = 2) -> dict[str, Experiment]:
    profile = profiles.profile(name, range(cpus))
    return {experiment.name: experiment for experiment in profile.experiments}


def storms_s(name: str) -> float:
    return sum(estimate_seconds(each, overhead_s=0) for each in experiments(name).values())


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="quick, standard, thorough"):
        profiles.profile("fast", (0, 1))


def test_lengths_are_as_promised() -> None:
    assert 45 <= storms_s("quick") <= 90
    assert 400 <= storms_s("standard") <= 700
    assert 2_700 <= storms_s("thorough") <= 4_000


def test_quick_with_its_overheads_leaves_time_for_setting_up() -> None:
    total_s = sum(estimate_seconds(each) for each in experiments("quick").values())
    assert total_s < 150


@pytest.mark.parametrize("name", profiles.NAMES)
@pytest.mark.parametrize("cpus", [1, 2, 3, 8, 64])
def test_every_profile_fits_every_machine(name: str, cpus: int) -> None:
    found = experiments(name, cpus)
    assert {"storm", "burst", "chain", "hotcpu", "stall"} <= set(found)
    assert ({"storm-duet", "trickle-duet"} <= set(found)) == (cpus > 1)
    assert ("pingpong" in found) == (cpus > 1)
    for experiment in found.values():
        names = [arm.name for arm in experiment.arms]
        assert len(set(names)) == len(names)
        assert comparisons(names)
        assert experiment.blocks >= FEWEST_BLOCKS
        for arm in experiment.arms:
            if arm.config.transport == "ringbuf":
                budgets.check(arm.config.budget_bytes, memory_bytes=1 << 30)
            if arm.config.transport == "perfbuf":
                pages, rest = divmod(arm.config.budget_bytes, cpus * PAGE_BYTES)
                assert rest == 0
                assert pages & (pages - 1) == 0


def test_within_an_experiment_only_transport_and_budget_differ() -> None:
    for experiment in experiments("thorough").values():
        assert len({(arm.config.storm, arm.config.consumer) for arm in experiment.arms}) == 1


def test_quick_runs_three_budgets_from_two_pages_to_a_mebibyte() -> None:
    labels = {arm.name.budget for arm in experiments("quick")["storm"].arms}
    assert labels - {""} == {"8KiB", "64KiB", "1MiB"}


def test_each_workload_runs_its_baselines_once() -> None:
    with_baselines = [
        experiment.arms[-1].config.storm.shape
        for experiment in experiments("thorough").values()
        if any(arm.name == "none" for arm in experiment.arms)
    ]
    assert len(with_baselines) == len(set(with_baselines)) == 6


def test_the_same_is_compared_with_itself() -> None:
    assert twins(arm.name for arm in experiments("quick")["storm"].arms)


def test_pingpong_is_drained_every_5_ms() -> None:
    consumer = experiments("quick")["pingpong"].arms[-1].config.consumer
    assert (consumer.poll, consumer.interval_ms) == (Poll.TIMED, 5.0)


def test_order_has_enough_causal_pairs() -> None:
    found = experiments("quick")
    chain, pingpong = (found[name].arms[0].config.storm for name in ("chain", "pingpong"))
    assert chain.count * (chain.depth - 1) / chain.depth >= 1_300
    assert pingpong.count / 2 >= 1_000


def test_longer_profiles_wait_in_every_way() -> None:
    polls = {
        (arm.config.storm.shape, arm.config.consumer.poll)
        for experiment in experiments("standard").values()
        for arm in experiment.arms
    }
    for shape in (Shape.STORM, Shape.CHAIN, Shape.PINGPONG, Shape.TRICKLE):
        assert {poll for of, poll in polls if of is shape} >= {Poll.EPOLL, Poll.BUSY, Poll.TIMED}


def test_the_ladder_has_every_power_of_two_and_enough_storms() -> None:
    ladder = experiments("standard")["ladder"]
    rungs = [arm.config.budget_bytes for arm in ladder.arms if arm.config.transport == "ringbuf"]
    assert rungs == [(8 * KIB) << power for power in range(8)]
    assert rungs[-1] == MIB
    assert ladder.blocks >= LADDER_STORMS
    assert "ladder" not in experiments("quick")


def test_bursts_are_whole() -> None:
    for name in profiles.NAMES:
        storm = experiments(name)["burst"].arms[0].config.storm
        assert storm.count % storm.burst_size == 0
        assert storm.count > 0


def test_a_paced_storm_takes_as_long_as_its_pace_says() -> None:
    assert storm_seconds(Storm(rate_per_s=500.0, count=1_000)) == 2.0
    assert storm_seconds(Storm(rate_per_s=500.0, count=1_000, seconds=1.5)) == 1.5


def test_workers_add_up_but_not_on_one_cpu() -> None:
    assert nominal_rate_per_s(Storm(workers=4)) == 2 * nominal_rate_per_s(Storm(workers=2))
    hot = Storm(shape=Shape.HOTCPU, spawn=Spawn.VFORK, workers=4)
    assert nominal_rate_per_s(hot) == nominal_rate_per_s(Storm(workers=1))


def test_an_uneven_storm_takes_as_long_as_its_hot_worker() -> None:
    uneven = Storm(shape=Shape.UNEVEN, rate_per_s=100.0, count=5_000)
    assert storm_seconds(uneven) == storm_seconds(Storm(workers=1, count=5_000))
