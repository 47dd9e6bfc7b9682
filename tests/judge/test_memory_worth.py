# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test instruments of memory against the formulas: right to a page or a tenth, wrong, or 0."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_kernels import memory_line

from bench.judge.memory import Worth, judge, latest
from bench.record.footprint import MemoryLine

PAGE = 4096


def worth(line: MemoryLine, key: str) -> Worth:
    return judge(line).worths[key]


@pytest.mark.parametrize("transport", ["ringbuf", "perfbuf", "sharded"])
def test_mapping_sizes_agree_to_one_page(transport: str) -> None:
    line = memory_line(transport)
    assert line.mapped_bytes is not None
    for off, expected in ((0, Worth.RIGHT), (PAGE, Worth.RIGHT), (PAGE + 1, Worth.WRONG)):
        changed = replace(line, mapped_bytes=line.mapped_bytes + off)
        assert worth(changed, "mapped_bytes") is expected


def test_fdinfo_agrees_to_one_page_a_ring() -> None:
    for transport, rings in (("ringbuf", 1), ("sharded", 2)):
        line = memory_line(transport)
        truth = line.physical_bytes
        assert truth is not None
        right = replace(line, memlock_bytes=truth + rings * PAGE)
        wrong = replace(line, memlock_bytes=truth + rings * PAGE + 1)
        assert worth(right, "memlock_bytes") is Worth.RIGHT
        assert worth(wrong, "memlock_bytes") is Worth.WRONG
    assert worth(memory_line("perfbuf"), "memlock_bytes") is Worth.WRONG


def test_free_pages_agree_to_a_tenth() -> None:
    line = memory_line("ringbuf")
    truth = line.physical_bytes
    assert truth is not None
    assert worth(replace(line, free_bytes=int(1.099 * truth)), "free_bytes") is Worth.RIGHT
    assert worth(replace(line, free_bytes=int(1.101 * truth)), "free_bytes") is Worth.WRONG


def test_zero_is_distinguished_from_unknown() -> None:
    assert worth(memory_line("ringbuf", memlock_bytes=0), "memlock_bytes") is Worth.NOTHING
    assert worth(memory_line("ringbuf", memlock_bytes=None), "memlock_bytes") is Worth.UNKNOWN
    refused = replace(memory_line("ringbuf"), footprint=None)
    assert worth(refused, "free_bytes") is Worth.UNKNOWN


def test_the_last_look_counts_smallest_budget_first() -> None:
    first, large = memory_line("ringbuf", memcg_bytes=0), memory_line("ringbuf", 1 << 20)
    again = memory_line("ringbuf")
    found = latest([large, first, again])
    assert [judged.line for judged in found] == [again, large]
