# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compute the memory of buffers by formula, beside what the usual instruments show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bench.linux.pages import PAGE_BYTES

POINTER_BYTES: Final = 8
RING_OWN_PAGES: Final = 3  # the map itself, the consumer's position, the producer's
_ELEMENT_BYTES: Final = 48  # struct htab_elem without its key
_BUCKET_BYTES: Final = 16  # struct bucket
PERF_OWN_PAGES: Final = 1  # struct perf_event_mmap_page: head, tail and more


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Count bytes by the formula of docs/metrics.md."""

    data_bytes: int
    page_bytes: int  # data and the transport's own pages
    bookkeeping_bytes: int  # page-pointer arrays; the perf_event itself is left out

    @property
    def physical_bytes(self) -> int:
        """Return the sum of all bytes in the formula."""
        return self.page_bytes + self.bookkeeping_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Hold what instruments showed of the same buffers: changes on opening them; None: unknown."""

    rss_bytes: int | None
    pinned_bytes: int | None  # VmPin
    memlock_bytes: int | None  # fdinfo of the map
    mapped_bytes: int  # sum of the mappings' lengths: a ring's data counts twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Hold one trial's memory."""

    footprint: Footprint
    observed: Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLine:
    """Hold every instrument's report on one transport at one budget: a line of the journal.

    Sizes are changes made by one set of buffers, with all of it mapped and read once; None: not
    reported, for the reason in ``untold``. ``memcg_bytes`` and ``free_bytes`` are the change per
    set when ``copies`` sets are made at once: that of a single set is lost in batches and noise.
    """

    transport: str
    budget_bytes: int
    data_bytes: int  # of the buffers made
    cpus: int
    page_size_bytes: int
    footprint: Footprint | None = None  # None: the kernel refused such buffers
    mapped_formula_bytes: int | None = None
    mapped_bytes: int | None = None  # lengths in /proc/self/smaps
    mapped_rss_bytes: int | None = None  # of these mappings alone, in smaps
    rss_bytes: int | None = None  # VmRSS
    pinned_bytes: int | None = None  # VmPin
    locked_bytes: int | None = None  # VmLck
    memlock_bytes: int | None = None  # fdinfo: of the rings, or of the array of perf events
    copies: int = 0
    memcg_bytes: int | None = None
    free_bytes: int | None = None  # decrease of the system's free memory
    untold: dict[str, str] = field(default_factory=dict)  # field to why it is None

    @property
    def physical_bytes(self) -> int | None:
        """Return the true bytes, by formula; None where the kernel refused such buffers."""
        return self.footprint.physical_bytes if self.footprint is not None else None


def ringbuf_footprint(data_bytes: int, *, rings: int = 1) -> Footprint:
    """Return the footprint of ``rings`` equal rings that hold ``data_bytes`` together.

    Per ring of D data pages: D + 3 pages, and an array of 3 + 2 D page pointers, since the data
    is mapped twice in a row.
    """
    pages = data_bytes // rings // PAGE_BYTES
    return Footprint(
        data_bytes=data_bytes,
        page_bytes=rings * (pages + RING_OWN_PAGES) * PAGE_BYTES,
        bookkeeping_bytes=rings * POINTER_BYTES * (RING_OWN_PAGES + 2 * pages),
    )


def perfbuf_footprint(pages_per_cpu: int, *, cpus: int) -> Footprint:
    """Return the footprint of ``pages_per_cpu`` data pages on each of ``cpus`` CPUs.

    Per CPU of P data pages: P + 1 pages, and P page pointers.
    """
    return Footprint(
        data_bytes=cpus * pages_per_cpu * PAGE_BYTES,
        page_bytes=cpus * (pages_per_cpu + PERF_OWN_PAGES) * PAGE_BYTES,
        bookkeeping_bytes=cpus * POINTER_BYTES * pages_per_cpu,
    )


def table_footprint(
    entries: int, *, tables: int, key_bytes: int, value_bytes: int, cpus: int
) -> Footprint:
    """Return the footprint of per-CPU hashes of ``entries`` elements each.

    Per element: its key, a value on each CPU, and struct htab_elem with a pointer to the values;
    per bucket (as many, rounded up to a power of two), a list's head and a lock
    (kernel/bpf/hashtab.c).
    """
    data_bytes = tables * entries * (key_bytes + cpus * value_bytes)
    buckets = 1 << (entries - 1).bit_length()
    own_bytes = tables * (entries * (_ELEMENT_BYTES + POINTER_BYTES) + buckets * _BUCKET_BYTES)
    return Footprint(data_bytes=data_bytes, page_bytes=data_bytes, bookkeeping_bytes=own_bytes)


def ringbuf_mapped_bytes(data_bytes: int, *, rings: int = 1) -> int:
    """Return what a consumer maps of a ring: both positions, and the data twice."""
    return 2 * (data_bytes + rings * PAGE_BYTES)


def perfbuf_mapped_bytes(pages_per_cpu: int, *, cpus: int) -> int:
    """Return what a consumer maps on all CPUs: the head's page and the data."""
    return cpus * (pages_per_cpu + PERF_OWN_PAGES) * PAGE_BYTES
