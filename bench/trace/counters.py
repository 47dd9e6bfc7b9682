# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""struct tracer_counters of bpf/common/counters.h: one value for each possible CPU."""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from typing import Final

from bench.measure.account import CpuCounters

_CAUSES: Final = 1024
_HEAD: Final = struct.Struct("=5Q")
_DROPS: Final = struct.Struct(f"={_CAUSES}Q")

BYTES_PER_CPU: Final = _HEAD.size + 2 * _DROPS.size


def decode(value: bytes) -> list[CpuCounters]:
    """The counters of every possible CPU that has seen an exit."""
    found = []
    for cpu in range(len(value) // BYTES_PER_CPU):
        at = cpu * BYTES_PER_CPU
        exits, attempted, own_exits, own_attempted, _ = _HEAD.unpack_from(value, at)
        if exits:
            found.append(
                CpuCounters(
                    cpu=cpu,
                    exits=exits,
                    attempted=attempted,
                    dropped=_by_cause(_DROPS.unpack_from(value, at + _HEAD.size)),
                    own_exits=own_exits,
                    own_attempted=own_attempted,
                    own_dropped=_by_cause(
                        _DROPS.unpack_from(value, at + _HEAD.size + _DROPS.size)
                    ),
                )
            )
    return found


def _by_cause(drops: Sequence[int]) -> dict[str, int]:
    return {_name(cause): count for cause, count in enumerate(drops) if count}


def _name(cause: int) -> str:
    if cause == 0:
        return "refused"  # reserve tells no errno
    return errno.errorcode.get(cause, f"errno {cause}")
