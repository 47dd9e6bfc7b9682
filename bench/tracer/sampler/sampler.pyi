# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from typing import Final, NamedTuple

LOOK_NS: Final[int]

class Seen(NamedTuple):
    samples: int
    used_bytes: int
    peak_bytes: int
    p99_bytes: int
    produced_bytes: int
    records: int
    uncounted_bytes: int
    discarded: int
    lost: int
    absence_ns: int
    peak_bytes_per_s: float
    lengths: dict[int, int]

class Sampler:
    bin_ns: int

    def add_ring(self, fd: int, data_bytes: int) -> int: ...
    def add_perf(self, fd: int, data_bytes: int) -> int: ...
    def follow(self, fd: int, data_bytes: int, counted: memoryview[int], lead_ns: int) -> None: ...
    def by_kernel(self, index: int) -> None: ...
    def run(self, *, interval_ns: int, until_ns: int, most_cpu: float = ...) -> None: ...
    def stop(self) -> None: ...
    def seen(self, index: int) -> Seen: ...
    def bins(self, index: int) -> tuple[int, list[int], list[int]]: ...
