# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""CPUs without a buffer are named, with what was lost there."""

from __future__ import annotations

from bench.measure.account import CpuCounters
from bench.measure.by_cpu import without_buffer


def test_a_cpu_without_a_buffer_is_named_with_its_loss() -> None:
    counters = [
        CpuCounters(cpu=0, exits=5, attempted=5, dropped={"ENOSPC": 2}),
        CpuCounters(cpu=1, exits=9, attempted=9, dropped={"ENOENT": 7, "EOPNOTSUPP": 2}),
        CpuCounters(cpu=2, exits=0, attempted=0),
    ]
    told = without_buffer(counters, offline=(1, 2))
    assert [line.split(":")[0] for line in told] == [
        "7 records of CPU 1 dropped (ENOENT)",
        "2 records of CPU 1 dropped (EOPNOTSUPP)",
        "CPU 2 was offline when the buffers were made",
    ]


def test_full_buffers_are_another_matter() -> None:
    full = CpuCounters(cpu=0, exits=5, attempted=5, dropped={"ENOSPC": 2, "refused": 3})
    assert without_buffer([full]) == ()
