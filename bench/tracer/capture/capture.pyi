# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from mmap import mmap

from bench.plan.config import Poll

RING_CALLBACK: int
PERF_CALLBACK: int
LOST_CALLBACK: int
EVENT_CALLBACK: int
BIN_BITS: int

class Capture:
    array: mmap
    capacity: int
    count: int
    overflow: int
    malformed: int
    lost_reported: int
    misdated: int
    buffer_count: int
    mapped_bytes: int
    stopping: int
    stopped_ns: int
    late_count: int
    discarded: int
    delivered: int
    delivered_bytes: int
    peak_bytes: int
    age_max_ns: int
    wakeups_taken: int
    empty_polls: int
    cpu_ns: int
    voluntary_switches: int
    involuntary_switches: int
    address: int

    def __init__(self, capacity: int, array: mmap | None = None) -> None: ...
    def add_ring(
        self,
        fd: int,
        data_bytes: int,
        lazy: bool = ...,
        whole: bool = ...,
        overwrites: bool = ...,
    ) -> None: ...
    def add_perf(self, fd: int, data_bytes: int, lazy: bool = ..., whole: bool = ...) -> None: ...
    def deal(self, others: list[Capture]) -> None: ...
    def unmap(self) -> None: ...
    def run(
        self,
        *,
        poll: Poll,
        interval_ns: int = 0,
        flush_ms: int = 0,
        cost_ns: int = 0,
        late_ns: int = 0,
    ) -> None: ...
    def collect(self, timeout_ms: int) -> int: ...
    def stop(self) -> None: ...
    def stall(self, from_ns: int, stall_ns: int) -> None: ...
    def spend(self, cost_ns: int) -> None: ...
    def stamp_each(self) -> None: ...
    def tally(self, stamp_at: int = ..., stamped_from_ns: int = ...) -> None: ...
    def age_counts(self) -> bytes: ...
    def time_visits(self) -> None: ...
    def reading_ns(self, first: int, end: int) -> int: ...
    def overwritten_bytes(self, first: int, end: int) -> int: ...
    def take(
        self, rows: memoryview, *, overflow: int, malformed: int, lost: int, empty_polls: int
    ) -> None: ...
    def occupancy(self) -> bytes: ...
    def late_records(self) -> bytes: ...
