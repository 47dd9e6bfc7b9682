# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import ExitCode, UsageError
from bench.plan import budgets
from bench.plan.config import MIXED
from bench.tracer.transports import traits

PAGE = 4096


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        *[("8192", 8192), ("8192B", 8192), ("64KiB", 65536), ("1MiB", 1 << 20)],
        *[(f"64{unit}", 65536) for unit in ("k", "K", "kb", "KB", "kB", "kib", "KIB", " kB", "Kb")],
        *[("1M", 1 << 20), ("1mb", 1 << 20), (" 2 gib ", 2 << 30), ("2G", 2 << 30)],
        *[("1T", 1 << 40), ("1TB", 1 << 40), ("1TiB", 1 << 40)],
    ],
)
def test_sizes_are_read(text: str, size_bytes: int) -> None:
    assert budgets.parse(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "1.5MiB",
        "many",
        "64KB!",
        "64ib",
        "64bk",
        "64kk",
        "64PiB",
        "1 000",
        "1e3",
        "٤096",
        "9" * 40,
    ],
)
def test_what_is_no_size_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size") as caught:
        budgets.parse(text)
    assert caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE
    assert "\n" not in str(caught.value)


@given(st.integers(1, 1 << 40))
def test_labels_are_read_back(size_bytes: int) -> None:
    assert budgets.parse(budgets.label(size_bytes)) == size_bytes


@pytest.mark.parametrize("pages", [1, 2, 256])
def test_a_power_of_two_of_pages_passes(pages: int) -> None:
    assert budgets.check(pages * PAGE, memory_bytes=1 << 30) == pages * PAGE


@pytest.mark.parametrize("budget_bytes", [1, PAGE - 1, 3 * PAGE, PAGE + 1])
def test_other_sizes_are_refused_and_the_neighbours_named(budget_bytes: int) -> None:
    with pytest.raises(UsageError, match="is not a power of two times 4 KiB") as caught:
        budgets.check(budget_bytes, memory_bytes=1 << 30)
    assert "take " in caught.value.remedy


def test_more_than_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="larger than this machine's memory"):
        budgets.check(1 << 30, memory_bytes=(1 << 30) - 1)


def test_more_than_the_kernel_can_count_is_refused() -> None:
    with pytest.raises(UsageError, match="more than a ring buffer can have"):
        budgets.check(1 << 32, memory_bytes=1 << 40)


@pytest.mark.parametrize(
    ("budget_bytes", "cpus", "pages"),
    [
        (2 * PAGE, 2, (1,)),
        (16 * PAGE, 2, (8,)),
        (16 * PAGE, 3, (4, 8)),  # 5 1/3 pages each
        (16 * PAGE, 5, (2, 4)),
        (12 * PAGE, 2, (4, 8)),
        (2 * PAGE, 8, (1,)),  # a quarter of a page each: the least there is
        (16 * PAGE, 16, (1,)),
    ],
)
def test_perf_buffers_share_the_budget(
    budget_bytes: int, cpus: int, pages: tuple[int, ...]
) -> None:
    assert budgets.perf_pages_per_cpu(budget_bytes, cpus) == pages


@given(st.integers(1, 1 << 12), st.integers(1, 512))
def test_shares_are_powers_of_two_around_the_budget(pages: int, cpus: int) -> None:
    sizes = budgets.perf_pages_per_cpu(pages * PAGE, cpus)
    assert all(size & (size - 1) == 0 for size in sizes)
    if len(sizes) == 2:
        assert sizes[0] * cpus < pages < sizes[1] * cpus
    elif pages >= cpus:
        assert sizes[0] * cpus == pages


def test_a_record_over_a_quarter_of_a_perf_buffer_is_reported() -> None:
    # 12 + 72 + 936 = 1,020, padded to 1,024: exactly a quarter of a page
    perf = traits("perfbuf")
    assert perf.holds(936, PAGE)
    assert not perf.holds(944, PAGE)
    assert not perf.holds(MIXED, 4 * PAGE)
    assert perf.holds(MIXED, 8 * PAGE)


def test_a_record_larger_than_the_ring_is_reported() -> None:
    for name in ("ringbuf", "sharded"):
        assert not traits(name).holds(4096, PAGE)
        assert traits(name).holds(4096, 2 * PAGE)
