# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make streams of exit records as the two transports would deliver them, and their counters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.record.counters import CpuCounters
from bench.record.records import CAPTURED, RECORD, Flag, Records

PIDS = 4_190_000  # then they are used again, as in the kernel
DEPTH = 8
DRAIN_NS = 1_000_000  # how long a perf buffer waits for its turn


class Trial(NamedTuple):
    """Hold what one made-up trial left; it balances."""

    records: Records
    counters: list[CpuCounters]
    reaped: int


def trial(
    count: int,
    *,
    transport: str = "ringbuf",
    shape: str = "chain",
    cpus: int = 2,
    loss: float = 0.0,
    seed: int = 1,
) -> Trial:
    """Make some ``count`` exits of two workers on ``cpus`` CPUs, a share ``loss`` of them dropped.

    ``chain``: parents that reap their child and exit, eight deep; ``storm``: children of the
    workers only. Ring: in order but for one neighbour in 10,000; perf: CPU by CPU, each
    millisecond.
    """
    random = np.random.default_rng(seed)
    chains = max(count // (2 * DEPTH), 1)
    workers = [_worker(number, chains, shape, random) for number in range(2)]
    exits = np.concatenate(workers)
    exits = exits[np.argsort(exits["timestamp_ns"], kind="stable")]
    exits["cpu"] = (exits["cpu"] + (random.random(len(exits)) < 0.1)) % cpus
    for cpu in range(cpus):
        here = np.flatnonzero(exits["cpu"] == cpu)
        exits["sequence"][here] = np.arange(len(here))
    kept = random.random(len(exits)) >= loss
    counters = [_counters(exits, kept, cpu) for cpu in range(cpus)]
    reaped = len(exits)
    records = exits if kept.all() else exits[kept]
    records = _ring(records, random) if transport == "ringbuf" else _perf(records)
    return Trial(records, counters, reaped)


def _worker(number: int, chains: int, shape: str, random: np.random.Generator) -> Records:
    count = chains * DEPTH
    exits = np.zeros(count + 1, CAPTURED)  # the worker itself goes last
    place = np.arange(count) % DEPTH
    exits["timestamp_ns"] = 10**12 + np.cumsum(random.integers(500, 20_000, count + 1))
    born = np.repeat(exits["timestamp_ns"][:-1:DEPTH] - np.uint64(300_000), DEPTH)
    exits["start_ns"][:-1] = born + (DEPTH - place).astype(np.uint64) * np.uint64(20_000)
    exits["pid"][:-1] = 300 + (np.arange(count) * 2 + number) % PIDS
    worker_pid, worker_start_ns = 100 + number, 10**11 + number
    if shape == "chain":
        exits["parent_pid"][:-2] = exits["pid"][1:-1]
        exits["parent_start_ns"][:-2] = exits["start_ns"][1:-1]
        outermost = np.flatnonzero(place == DEPTH - 1)
    else:
        outermost = np.arange(count)
    exits["parent_pid"][outermost] = worker_pid
    exits["parent_start_ns"][outermost] = worker_start_ns
    exits["pid"][-1], exits["start_ns"][-1] = worker_pid, worker_start_ns
    exits["parent_pid"][-1], exits["parent_start_ns"][-1] = 99, 10**10
    exits["cpu"] = number
    exits["flags"] = Flag.OWN | Flag.NO_CHILDREN
    exits["length"] = exits["arrived_bytes"] = RECORD.itemsize
    return exits


def _counters(exits: Records, kept: np.ndarray, cpu: int) -> CpuCounters:
    here = exits["cpu"] == cpu
    attempted, dropped = int(here.sum()), int((here & ~kept).sum())
    return CpuCounters(
        cpu=cpu,
        exits=attempted,
        attempted=attempted,
        dropped={"refused": dropped},
        own_exits=attempted,
        own_attempted=attempted,
        own_dropped={"refused": dropped},
    )


def _ring(records: Records, random: np.random.Generator) -> Records:
    # The timestamp is taken outside the ring's lock: now and then a neighbour of another CPU is
    # quicker.
    swap = np.flatnonzero(random.random(len(records) - 1) < 1e-4)
    swap = swap[records["cpu"][swap] != records["cpu"][swap + 1]]
    swap = swap[records["parent_pid"][swap] != records["pid"][swap + 1]]  # that would be disorder
    swap = swap[np.diff(swap, prepend=-2) > 1]
    records[swap], records[swap + 1] = records[swap + 1], records[swap]
    latest = np.maximum.accumulate(records["timestamp_ns"])
    waits = random.integers(2_000, 60_000, len(records)).astype(np.uint64)
    records["delivered_ns"] = np.maximum.accumulate(latest + waits)
    return records


def _perf(records: Records) -> Records:
    drain = records["timestamp_ns"] // np.uint64(DRAIN_NS)
    records = records[np.lexsort((records["cpu"], drain))]
    drain = records["timestamp_ns"] // np.uint64(DRAIN_NS)
    first = np.searchsorted(drain, drain)
    place = (np.arange(len(records)) - first).astype(np.uint64)
    delivered = (drain + np.uint64(1)) * np.uint64(DRAIN_NS) + place * np.uint64(50)
    records["delivered_ns"] = np.maximum.accumulate(delivered)
    return records
