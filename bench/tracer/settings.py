# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Encode a producer's settings: macros of the compiler, and struct tracer_settings."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from bench.plan.config import MIXED, Attach, Call, Duet, Producer, Wake
from bench.plan.mix import MOST_LENGTHS, TURNS
from bench.record.layout import RECORD_BYTES

_LAYOUT: Final = struct.Struct("=QQIIIIIiQQ")
_NEVER: Final = 2**32 - 1
_WAKE_FLAGS: Final = {
    Wake.ADAPTIVE: 0,
    Wake.NONE: 1,  # BPF_RB_NO_WAKEUP
    Wake.FORCED: 2,  # BPF_RB_FORCE_WAKEUP
    Wake.WATERMARK: 1,
    Wake.BYTES: 1,
}
_MOST_RECORDS: Final = (1, 100, 1000)  # of an exit: few bounds, since each is a program of its own
_MIXED_BYTES: Final = (RECORD_BYTES, 200, 1024, RECORD_BYTES + 4096)


def macros(producer: Producer) -> dict[str, int]:
    """Return the macros of all transports: record lengths, and loops only where needed.

    The verifier walks a loop of 1,000 records for half a second, and a delay within it for ever.
    """
    *fewer, most = _MOST_RECORDS
    most = next((each for each in fewer if producer.records_per_exit <= each), most)
    found = {"MAX_RECORDS_PER_EXIT": most}
    if producer.checked:
        found |= {"CHECKED": 1, "SIZE_0": RECORD_BYTES + producer.payload_bytes}
    elif len(turns := _turns(producer)) > 1:
        sizes = sorted({*turns})
        found |= {"PADDED": 1}
        found |= {f"SIZE_{at}": sizes[min(at, len(sizes) - 1)] for at in range(MOST_LENGTHS)}
        turns *= TURNS // len(turns)
        found |= {"TURNS": sum(sizes.index(size) << 2 * turn for turn, size in enumerate(turns))}
    else:
        found |= {"SIZE_0": RECORD_BYTES + producer.payload_bytes}
        if producer.payload_bytes:
            found |= {"PADDED": 1}
    if producer.wake is Wake.BYTES:
        found |= {"WAKE_BY_BYTES": 1}
    if producer.delay_ns:
        found |= {"DELAY": 1}
    if producer.scratch:
        found |= {"SCRATCH": 1}
    if producer.attach is not Attach.TRACEPOINT:
        found |= {"RAW_ARGUMENTS": 1, "PREEMPTIBLE": 1}
    return found


def lengths(producer: Producer) -> tuple[int, ...]:
    """Return the lengths of records in the order of their sequence numbers, over and over."""
    turns = _turns(producer)
    return (max(turns),) if producer.call is Call.LARGEST else turns


def _turns(producer: Producer) -> tuple[int, ...]:
    """Return the bytes that records are written with in turn."""
    if producer.payload_bytes == MIXED:
        return _MIXED_BYTES
    return tuple(RECORD_BYTES + padding for padding in producer.mix or (producer.payload_bytes,))


def encode(producer: Producer, *, session: int, rings: int, duet: Duet | None = None) -> bytes:
    """Return the settings map's value. ``session``: pid of the storm's leader, 0 for none."""
    return _LAYOUT.pack(
        Path("/proc/self/ns/pid").stat().st_ino,
        _WAKE_FLAGS[producer.wake],
        session,
        producer.watermark if producer.wake in (Wake.WATERMARK, Wake.BYTES) else _NEVER,
        producer.records_per_exit,
        rings,
        producer.delay_ns,
        producer.delay_cpu,
        duet.window_ns if duet else 0,
        duet.washout_ns if duet else 0,
    )
