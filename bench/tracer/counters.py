# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Decode struct tracer_counters of bpf/common/counters.h: one for each possible CPU."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.linux import refusal
from bench.record.counters import CpuCounters

CAUSES: Final = 1024
_COUNTS: Final = struct.Struct("=6QI4x")
_DROPPED: Final = 5  # which of them
_DROPS: Final = struct.Struct("=2Q")
_USUAL: Final = (0, errno.ENOSPC, errno.ENOENT)

BYTES_PER_CPU: Final = _COUNTS.size
DROP_BYTES_PER_CPU: Final = _DROPS.size


def causes() -> Iterator[int]:
    """Yield every slot of the drops, those seen in practice first."""
    yield from _USUAL
    yield from (cause for cause in range(CAUSES) if cause not in _USUAL)


def dropped(counts: bytes) -> int:
    """Return the records dropped on all CPUs, whatever the cause."""
    return sum(each[_DROPPED] for each in _COUNTS.iter_unpack(counts))


def of_cause(drops: bytes) -> int:
    """Return the records that one cause's slot counts, on all CPUs."""
    return sum(each[0] for each in _DROPS.iter_unpack(drops))


def decode(counts: bytes, drops: Mapping[int, bytes], cpus: Sequence[int]) -> list[CpuCounters]:
    """Decode the counters of the possible ``cpus`` that have seen an exit; drops by cause."""
    found = []
    for place, (exits, attempted, own_exits, own_attempted, *_) in enumerate(
        _COUNTS.iter_unpack(counts)
    ):
        lost: tuple[dict[str, int], dict[str, int]] = {}, {}
        for cause, value in sorted(drops.items()):
            # reserve reports no errno.
            name = refusal.name_of(cause) if cause else "refused"
            for of, count in zip(lost, _DROPS.unpack_from(value, place * _DROPS.size), strict=True):
                if count:
                    of[name] = count
        if exits:
            found.append(
                CpuCounters(
                    cpu=cpus[place],
                    exits=exits,
                    attempted=attempted,
                    dropped=lost[0],
                    own_exits=own_exits,
                    own_attempted=own_attempted,
                    own_dropped=lost[1],
                )
            )
    return found
