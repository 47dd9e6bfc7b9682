# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Memory: what the buffers take by formula, beside what the usual instruments show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes by formula (design: Memory)."""

    data_bytes: int
    page_bytes: int  # data and the transport's own pages
    bookkeeping_bytes: int  # page-pointer arrays; the perf_event itself is left out

    @property
    def physical_bytes(self) -> int:
        """All bytes that the formula knows."""
        return self.page_bytes + self.bookkeeping_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What instruments showed for the same buffers, as change over opening them; None: not told."""

    rss_bytes: int | None
    pinned_bytes: int | None  # VmPin
    memlock_bytes: int | None  # fdinfo of the map
    memcg_bytes: int | None
    mapped_bytes: int  # sum of the mappings' lengths: a ring's data counts twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """One trial's memory."""

    footprint: Footprint
    observed: Observed


def ringbuf_footprint(data_bytes: int, *, rings: int = 1, page_bytes: int = 4096) -> Footprint: ...


def perfbuf_footprint(pages_per_cpu: int, *, cpus: int, page_bytes: int = 4096) -> Footprint: ...
