# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that CPUs without a buffer are named, with what was lost there."""

from __future__ import annotations

import numpy as np
from measure import twins

from bench.measure.by_cpu import CpuShare, shares, without_buffer
from bench.record.counters import CpuCounters
from bench.record.records import CAPTURED


def test_a_cpu_without_a_buffer_is_named_with_its_loss() -> None:
    counters = [
        CpuCounters(cpu=0, exits=5, attempted=5, dropped={"ENOSPC": 2}),
        CpuCounters(cpu=1, exits=9, attempted=9, dropped={"ENOENT": 7, "EOPNOTSUPP": 2}),
        CpuCounters(cpu=2, exits=0, attempted=0),
    ]
    cold, back, offline = without_buffer(counters, offline=(1, 2))
    why = "it was offline when the buffers were made"
    assert cold == f"7 records of CPU 1 dropped (ENOENT): {why}"
    why = "it went offline after the buffers were made, and came back"
    assert back == f"2 records of CPU 1 dropped (EOPNOTSUPP): {why}"
    assert offline == "CPU 2 was offline when the buffers were made"


def test_full_buffers_are_another_matter() -> None:
    full = CpuCounters(cpu=0, exits=5, attempted=5, dropped={"ENOSPC": 2, "refused": 3})
    assert without_buffer([full]) == ()


def test_each_cpu_has_its_own_counts_and_latencies() -> None:
    latencies = {2: list(range(1_000, 1_150)), 0: [50, 10, 40]}
    records = np.zeros(153, CAPTURED)
    records["cpu"] = [2] * 150 + [0] * 3
    records["timestamp_ns"] = 10**15 + np.arange(153)
    records["delivered_ns"] = records["timestamp_ns"] + np.array(
        latencies[2] + latencies[0], np.uint64
    )
    counters = [
        CpuCounters(cpu=2, exits=160, attempted=160, dropped={"ENOSPC": 7, "refused": 3}),
        CpuCounters(cpu=0, exits=3, attempted=3),
        CpuCounters(cpu=1, exits=5, attempted=5, dropped={"ENOSPC": 5}),
    ]
    records = records[np.random.default_rng(1).permutation(153)]
    assert shares(records, counters) == tuple(
        CpuShare(
            cpu=cpu,
            attempted=attempted,
            delivered=len(latencies.get(cpu, [])),
            dropped=dropped,
            latency_p50_ns=twins.nearest_rank(latencies.get(cpu, []), 500),
            latency_p99_ns=twins.nearest_rank(latencies.get(cpu, []), 990),
        )
        for cpu, attempted, dropped in ((2, 160, 10), (0, 3, 0), (1, 5, 5))
    )


def test_latencies_may_exceed_the_timestamps() -> None:
    records = np.zeros(1, CAPTURED)
    records["timestamp_ns"], records["delivered_ns"] = 10, 35
    (found,) = shares(records, [CpuCounters(cpu=0, exits=1, attempted=1)])
    assert (found.latency_p50_ns, found.latency_p99_ns) == (25, 25)


def test_without_counters_there_are_no_shares() -> None:
    assert shares(np.zeros(0, CAPTURED), []) == ()
