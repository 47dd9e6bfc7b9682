# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""struct tracer_counters of bpf/common/counters.h: one value for each possible CPU."""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from bench.measure.account import CpuCounters

CAUSES: Final = 1024
_COUNTS: Final = struct.Struct("=5Q")
_DROPS: Final = struct.Struct("=2Q")

BYTES_PER_CPU: Final = _COUNTS.size
DROP_BYTES_PER_CPU: Final = _DROPS.size


def decode(counts: bytes, drops: Sequence[bytes]) -> list[CpuCounters]:
    """The counters of every possible CPU that has seen an exit; ``drops`` by cause."""
    causes = {cause: value for cause, value in enumerate(drops) if any(value)}
    found = []
    for cpu in range(len(counts) // BYTES_PER_CPU):
        exits, attempted, own_exits, own_attempted, _ = _COUNTS.unpack_from(
            counts, cpu * BYTES_PER_CPU
        )
        if exits:
            found.append(
                CpuCounters(
                    cpu=cpu,
                    exits=exits,
                    attempted=attempted,
                    dropped=_by_cause(causes, cpu, 0),
                    own_exits=own_exits,
                    own_attempted=own_attempted,
                    own_dropped=_by_cause(causes, cpu, 1),
                )
            )
    return found


def _by_cause(causes: Mapping[int, bytes], cpu: int, which: int) -> dict[str, int]:
    counted = {
        _name(cause): _DROPS.unpack_from(value, cpu * _DROPS.size)[which]
        for cause, value in causes.items()
    }
    return {name: count for name, count in counted.items() if count}


def _name(cause: int) -> str:
    if cause == 0:
        return "refused"  # reserve tells no errno
    return errno.errorcode.get(cause, f"errno {cause}")
