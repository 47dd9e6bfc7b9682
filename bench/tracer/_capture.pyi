# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
EPOLL: int
BUSY: int
TIMED: int
STOPPED: int
RING_CALLBACK: int
PERF_CALLBACK: int
LOST_CALLBACK: int

class Capture:
    capacity: int
    count: int
    buffer_count: int
    mapped_bytes: int
    stopping: int
    stopped_ns: int
    overflow: int
    malformed: int
    lost_told: int
    wakeups_taken: int
    empty_polls: int
    misdated: int
    late_count: int
    cpu_ns: int
    voluntary_switches: int
    involuntary_switches: int
    address: int
    sample_count: int

    def __init__(self, capacity: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def add_ring(self, fd: int, data_bytes: int) -> None: ...
    def add_perf(self, fd: int, data_bytes: int) -> None: ...
    def unmap(self) -> None: ...
    def reset(self) -> None: ...
    def run(
        self, *, poll: int, interval_ns: int = 0, cost_ns: int = 0, late_ns: int = 0
    ) -> None: ...
    def collect(self, timeout_ms: int) -> int: ...
    def occupancy(self) -> bytes: ...
    def late_records(self) -> bytes: ...
    def stop(self) -> None: ...
    def spend(self, cost_ns: int) -> None: ...
    def stall(self, from_ns: int, stall_ns: int) -> None: ...
    def account(
        self, wakeups_taken: int, cpu_ns: int, voluntary: int, involuntary: int
    ) -> None: ...
