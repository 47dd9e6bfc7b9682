# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Estimate how long storms take, to choose counts and to show the time left.

The rates are those of a virtual machine with 2 CPUs, measured without a tracer and rounded. They
size a storm, and nothing that is judged depends on them.
"""

from __future__ import annotations

from typing import Final

from bench.plan.budgets import longest_record_bytes
from bench.plan.config import TrialConfig, Wake
from bench.plan.experiments import REFERENCE, Experiment
from workloads.storm import Shape, Spawn, Storm

OVERHEAD_S: Final = 0.14
"""Opening buffers, attaching, draining, measuring and writing a line, for each trial.

Three runs of all claims took 490, 486 and 493 s, some 600 s by this estimate. Short storms took
half as long, and those that send 500,000 records up to twice as long.
"""

MOST_PER_S: Final = 100_000.0
"""The most processes a second that any machine is expected to make."""

_RECORD_S: Final = 0.2e-6
_PAYLOAD_BYTE_S: Final = 0.5e-9
_WAKEUP_S: Final = 12e-6
_PER_WORKER_PER_S: Final = {Spawn.VFORK: 8_000.0, Spawn.FORK: 4_000.0, Spawn.CLONE: 4_000.0}
_BY_FORK_PER_S: Final = {Shape.BURST: 6_000.0, Shape.CHAIN: 5_000.0, Shape.PINGPONG: 2_500.0}


def nominal_rate_per_s(storm: Storm) -> float:
    """Return the expected processes a second of ``storm``; of uneven, its hot worker's."""
    if storm.schedule:
        return max(1.0, 1e3 * storm.count / (len(storm.schedule) * storm.bin_ms))
    if storm.rate_per_s > 0 and storm.shape is not Shape.UNEVEN:
        return storm.rate_per_s
    by_shape = _BY_FORK_PER_S.get(storm.shape)
    if by_shape is not None:
        return by_shape
    rate_per_s = _PER_WORKER_PER_S[storm.spawn]
    if storm.shape not in (Shape.HOTCPU, Shape.UNEVEN):
        rate_per_s *= storm.workers
    return min(rate_per_s, MOST_PER_S)


def storm_seconds(storm: Storm) -> float:
    """Return the expected length of ``storm`` under a tracer that costs nothing."""
    length_s = storm.count / nominal_rate_per_s(storm)
    if storm.shape is Shape.BURST:
        length_s += storm.count / storm.burst_size * storm.pause_ms / 1e3
    return min(length_s, storm.seconds)


def trial_seconds(config: TrialConfig) -> float:
    """Return the same with the kernel's time for records beyond the first of each exit."""
    storm, producer = config.storm, config.producer
    exits_in_turn = storm.count
    if storm.shape in (Shape.STORM, Shape.CHAIN):  # made on several CPUs at a time
        exits_in_turn //= min(storm.workers, len(storm.cpus) or storm.workers)
    record_s = _RECORD_S + _PAYLOAD_BYTE_S * max(producer.payload_bytes, 0)
    record_s += _wakeups_per_record(config) * _WAKEUP_S
    more_s = (producer.records_per_exit - 1) * record_s + producer.delay_ns / 1e9
    return min(storm_seconds(storm) + exits_in_turn * more_s, storm.seconds)


def _wakeups_per_record(config: TrialConfig) -> float:
    wake = config.producer.wake
    if wake is Wake.WATERMARK:
        return 1 / config.producer.watermark
    if wake is Wake.BYTES:
        record_bytes = longest_record_bytes(config.producer.payload_bytes)
        return min(1.0, record_bytes / config.producer.watermark)
    every = wake is Wake.FORCED or (wake is Wake.ADAPTIVE and config.transport == REFERENCE)
    return 1.0 if every else 0.0


def estimate_seconds(experiment: Experiment, *, overhead_s: float = OVERHEAD_S) -> float:
    """Return the expected length of all blocks, with ``overhead_s`` for each trial."""
    arms = experiment.arms[: experiment.storms]
    one_block_s = sum(trial_seconds(arm.config) + overhead_s for arm in arms)
    return experiment.blocks * one_block_s
