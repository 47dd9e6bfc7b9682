# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the memory census on this kernel: formulas and instruments agree as far as judged."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import psutil
import pytest

from bench.judge.memory import Worth, judge
from bench.record.footprint import MemoryLine
from bench.trial.memory_census import census

pytestmark = [pytest.mark.live, pytest.mark.slow]

MIB = 1 << 20


@pytest.fixture(scope="module")
def lines() -> tuple[MemoryLine, ...]:
    return census([MIB])


def test_every_transport_is_looked_at(lines: tuple[MemoryLine, ...]) -> None:
    assert {line.transport for line in lines} == {"ringbuf", "perfbuf", "sharded"}
    assert all(line.footprint is not None for line in lines)


def test_mapping_sizes_agree_to_a_page(lines: tuple[MemoryLine, ...]) -> None:
    assert {judge(line).worths["mapped_bytes"] for line in lines} == {Worth.RIGHT}


def test_fdinfo_of_rings_agrees_to_a_page(lines: tuple[MemoryLine, ...]) -> None:
    rings = [line for line in lines if line.transport != "perfbuf"]
    worths = {judge(line).worths["memlock_bytes"] for line in rings}
    assert worths in ({Worth.RIGHT}, {Worth.NOTHING})  # 0 from about 5.11 to 6.4


def test_free_pages_over_many_copies_agree_to_a_tenth(lines: tuple[MemoryLine, ...]) -> None:
    assert {judge(line).worths["free_bytes"] for line in lines} == {Worth.RIGHT}


def test_rss_counts_rings_twice(lines: tuple[MemoryLine, ...]) -> None:
    for line in lines:
        if line.transport != "perfbuf":
            assert line.mapped_rss_bytes == line.mapped_bytes
            assert line.mapped_bytes is not None
            assert line.mapped_bytes > 2 * line.data_bytes
            assert line.rss_bytes is not None
            # Counted per CPU, and added up in batches of 32 pages and more.
            assert abs(line.rss_bytes - line.mapped_bytes) < 0.15 * line.mapped_bytes


def test_a_group_is_charged_for_rings_and_not_for_perf_pages(
    lines: tuple[MemoryLine, ...],
) -> None:
    for line in lines:
        if line.memcg_bytes is None:
            assert line.untold["memcg_bytes"]
        elif line.transport == "perfbuf":
            assert line.memcg_bytes < 0.1 * line.data_bytes
        else:
            assert judge(line).worths["memcg_bytes"] in (Worth.RIGHT, Worth.NOTHING)


def test_sizes_beyond_a_quarter_of_memory_are_skipped_and_said() -> None:
    size_bytes = 1 << (psutil.virtual_memory().total // 4 // 64).bit_length()
    for line in census([2 * size_bytes]):
        assert line.copies == 0
        assert line.memcg_bytes is line.free_bytes is None
        assert "quarter" in line.untold["free_bytes"]
        assert judge(line).worths["mapped_bytes"] is Worth.RIGHT


def test_nothing_stays() -> None:
    def state() -> tuple[object, ...]:
        groups = {str(path) for path in Path("/sys/fs/cgroup").rglob(f"bufbench-{os.getpid()}")}
        return (
            Path("/proc/self/cgroup").read_text(),
            resource.getrlimit(resource.RLIMIT_NOFILE),
            len(list(Path("/proc/self/fd").iterdir())),
            groups,
        )

    before = state()
    census([64 << 10], copies=4)
    assert state() == before
