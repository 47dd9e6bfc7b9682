# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""struct write_times of bpf/common/cost.h: how long each write of a tracer took."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from bench.linux import bpf
from bench.record.write import WriteTimes
from bench.tracer.program import Program, possible_cpus

MACROS: Final = {"TIMED_WRITES": 1}
_BUCKETS: Final = 288
_WORDS: Final = 2 + _BUCKETS
_KINDS: Final = 3  # written, refused, no write at all


def zero(program: Program) -> None:
    """Start a new account."""
    nothing = bytes(8 * _WORDS * len(possible_cpus()))
    for kind in range(_KINDS):
        bpf.update(program.map_fd("write_times"), struct.pack("=I", kind), nothing)


def read(program: Program) -> WriteTimes:
    """Read the account, summed over CPUs, after the program is detached."""
    size, map_fd = 8 * _WORDS * len(possible_cpus()), program.map_fd("write_times")
    written, refused, nothing = (
        np.frombuffer(bpf.lookup(map_fd, struct.pack("=I", kind), size), np.uint64)
        .reshape(-1, _WORDS)
        .sum(axis=0)
        for kind in range(_KINDS)
    )
    return WriteTimes(
        written=int(written[0]),
        written_ns=int(written[1]),
        refused=int(refused[0]),
        refused_ns=int(refused[1]),
        clock_ns=float(nothing[1] / nothing[0]) if nothing[0] else 0.0,
        histogram=tuple(
            (_lowest_ns(bucket), int(written[2 + bucket]))
            for bucket in np.flatnonzero(written[2:]).tolist()
        ),
    )


def _lowest_ns(bucket: int) -> int:
    """Return the least time of a bucket; there are 16 an octave, from 32 ns on."""
    octave = max(bucket // 16 - 1, 0)
    return bucket - 16 * octave << octave
