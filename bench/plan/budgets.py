# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Parse and check budgets: the data bytes of a transport's buffers."""

from __future__ import annotations

import re
from typing import Final

from bench.amounts import size
from bench.errors import UsageError
from bench.linux.pages import PAGE_BYTES
from bench.plan.config import MIXED
from bench.record.layout import RECORD_BYTES

KIB: Final = 1024
MIB: Final = 1024 * KIB

LARGEST_RING_BYTES: Final = 1 << 31
"""max_entries is 32 bits wide and has to be a power of two."""

_PREFIXES: Final = {"": 1, "k": KIB, "m": MIB, "g": 1024 * MIB, "t": 1024 * 1024 * MIB}
_SIZE: Final = re.compile(
    r"\s*([0-9]{1,15})\s*(?:([kmgt]?)b?|([kmgt])ib)\s*", re.ASCII | re.IGNORECASE
)
_LARGEST_PAYLOAD_BYTES: Final = 4096


def parse(text: str) -> int:
    """Return the bytes meant by ``text``: "8192", "64KiB", "1 MiB". UsageError for anything else.

    Prefixes are powers of 1024 however they are written, as buffers are powers of two: 64K, 64kb
    and 64KiB are 65,536.
    """
    match = _SIZE.fullmatch(text)
    if match:
        size_bytes = int(match[1]) * _PREFIXES[(match[2] or match[3] or "").lower()]
        if size_bytes:
            return size_bytes
    raise UsageError(f"{text!r} is not a size", remedy="write bytes, or like 64KiB or 1MiB")


def parse_or_zero(text: str) -> int:
    """Return the bytes that a label means, for sorting; 0 for what is not a size."""
    try:
        return parse(text)
    except UsageError:
        return 0


def label(size_bytes: int) -> str:
    """Return ``size_bytes`` as arms are named: "64KiB", "1MiB", "8200B"."""
    for unit_bytes, unit in ((1024 * MIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size_bytes >= unit_bytes and size_bytes % unit_bytes == 0:
            return f"{size_bytes // unit_bytes}{unit}"
    return f"{size_bytes}B"


def check(budget_bytes: int, *, memory_bytes: int) -> int:
    """Return ``budget_bytes`` if a ring buffer can have it; raise UsageError if not.

    The kernel wants a power of two of pages. One ring is mapped in one piece of unswappable memory,
    so that a budget beyond what the machine has could only end in the out-of-memory killer.
    """
    pages, rest = divmod(budget_bytes, PAGE_BYTES)
    if rest or pages < 1 or pages & (pages - 1):
        below = max(1, 1 << (pages.bit_length() - 1)) if pages else 1
        raise UsageError(
            f"a budget of {budget_bytes:,} bytes is not a power of two times {size(PAGE_BYTES)}",
            remedy=f"take {label(below * PAGE_BYTES)} or {label(2 * below * PAGE_BYTES)}",
        )
    for most_bytes, beyond in (
        (LARGEST_RING_BYTES, "more than a ring buffer can have"),
        (memory_bytes, "larger than this machine's memory"),
    ):
        if budget_bytes > most_bytes:
            raise UsageError(
                f"a budget of {size(budget_bytes)} is {beyond} ({size(most_bytes)})",
                remedy="take a smaller one",
            )
    return budget_bytes


def perf_pages_per_cpu(budget_bytes: int, cpus: int) -> tuple[int, ...]:
    """Return the data pages of each CPU's share: one size, or those below and above.

    One entry where the share is a power of two of pages, or where it is less than one page (then 1,
    the least there is); else the powers of two around it.
    """
    share, rest = divmod(budget_bytes, cpus * PAGE_BYTES)
    if share == 0:
        return (1,)
    below = 1 << (share.bit_length() - 1)
    return (below,) if share == below and rest == 0 else (below, 2 * below)


def shareable_bytes(budget_bytes: int, cpus: int) -> int:
    """Return the most that ``cpus`` can share evenly of ``budget_bytes``; a page each at least."""
    return perf_pages_per_cpu(budget_bytes, cpus)[0] * cpus * PAGE_BYTES


def longest_record_bytes(payload_bytes: int) -> int:
    """Return the length of the tracer's longest record with this padding, without headers."""
    padding = _LARGEST_PAYLOAD_BYTES if payload_bytes == MIXED else payload_bytes
    return RECORD_BYTES + padding
