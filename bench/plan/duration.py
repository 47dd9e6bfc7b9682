# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How long storms are expected to take: for choosing counts, and for telling the time left.

The rates are those of a virtual machine with 2 CPUs, measured without a tracer and rounded. They
size a storm, and nothing that is judged depends on them.
"""

from __future__ import annotations

from typing import Final

from bench.plan.experiments import Experiment
from workloads.storm import Shape, Spawn, Storm

OVERHEAD_S: Final = 0.15
"""Opening buffers, attaching, draining, measuring and writing a line, for each trial."""

MOST_PER_S: Final = 100_000.0
"""More processes a second than this are not expected of any machine."""

_PER_WORKER_PER_S: Final = {Spawn.VFORK: 10_000.0, Spawn.FORK: 4_000.0, Spawn.CLONE: 4_000.0}
_BY_FORK_PER_S: Final = {Shape.BURST: 8_000.0, Shape.CHAIN: 8_000.0, Shape.PINGPONG: 6_000.0}


def nominal_rate_per_s(storm: Storm) -> float:
    """Processes a second that ``storm`` is expected to make; of uneven, its hot worker."""
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
    """Expected length of ``storm``."""
    return min(storm.count / nominal_rate_per_s(storm), storm.seconds)


def estimate_seconds(experiment: Experiment, *, overhead_s: float = OVERHEAD_S) -> float:
    """Expected length of all blocks of ``experiment``, with ``overhead_s`` for each trial."""
    one_block_s = sum(storm_seconds(arm.config.storm) + overhead_s for arm in experiment.arms)
    return experiment.blocks * one_block_s
