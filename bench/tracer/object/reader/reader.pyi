# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
BIN_BITS: int

class Reader:
    delivered: int
    delivered_bytes: int
    discarded: int
    lost_reported: int
    malformed: int
    misdated: int
    peak_bytes: int
    data_bytes: int
    wakeups_taken: int
    empty_polls: int
    cpu_ns: int
    latency_max_ns: int

    def __init__(self, stamp_at: int = ..., stamped_from_ns: int = ...) -> None: ...
    def add_ring(self, fd: int, data_bytes: int) -> None: ...
    def add_perf(self, fd: int, data_bytes: int) -> None: ...
    def run(self) -> None: ...
    def stop(self) -> None: ...
    def unmap(self) -> None: ...
    def latencies(self) -> bytes: ...
