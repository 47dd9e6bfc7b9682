# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test random trials: the same of the same seed, all kinds, none that a machine refuses."""

from __future__ import annotations

import pytest
from soak import arbitrary

from bench.plan.budgets import perf_pages_per_cpu
from bench.plan.config import Call, Poll, Reader, Wake
from bench.tracer.transports import find
from workloads.generator import check
from workloads.storm import Shape

PAGE = 4096
TRANSPORTS = ("perfbuf", "ringbuf", "sharded")


def setting(cpus: int = 2) -> arbitrary.Setting:
    return arbitrary.Setting(transports=TRANSPORTS, cpus=tuple(range(cpus)))


def test_a_seed_gives_the_same_trials_and_another_seed_others() -> None:
    first, again, other = (
        [arbitrary.arm(setting(), seed, number) for number in range(50)] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_every_kind_of_everything_comes_up() -> None:
    configs = [arbitrary.arm(setting(), 1, number).config for number in range(400)]
    assert {config.transport for config in configs} == set(TRANSPORTS)
    assert {config.storm.shape for config in configs} == set(Shape)
    assert {config.producer.wake for config in configs} == set(Wake)
    assert {config.producer.call for config in configs} == set(Call)
    assert {config.consumer.poll for config in configs} == set(Poll)
    assert {config.consumer.reader for config in configs} == {Reader.NATIVE, Reader.LIBBCC}
    assert {config.kernel_stats for config in configs} == {True, False}


@pytest.mark.parametrize("cpus", [1, 2, 3, 8])
def test_what_is_drawn_can_be_run(cpus: int) -> None:
    for number in range(300):
        config = arbitrary.arm(setting(cpus), 5, number).config
        payload = config.producer.payload_bytes
        assert config.storm.count * config.producer.records_per_exit <= 100_000
        assert not (config.producer.delay_ns and config.producer.records_per_exit > 1)
        if config.storm.cpus == ():
            check(config.storm, range(cpus))
        if config.transport == "ringbuf":
            assert find(config.transport).holds(payload, config.budget_bytes)
            continue
        (pages,) = perf_pages_per_cpu(config.budget_bytes, cpus)
        assert pages * cpus * PAGE == config.budget_bytes
        assert find(config.transport).holds(payload, pages * PAGE)
