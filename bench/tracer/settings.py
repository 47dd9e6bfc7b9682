# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Encode a producer's settings: macros of the compiler, and struct tracer_settings."""

from __future__ import annotations

import struct
from typing import Final

from bench.linux import procfs
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
_MOST_RECORDS: Final = (1, 100, 1000)  # of an exit: few bounds, since each needs its own program
_MIXED_BYTES: Final = (RECORD_BYTES, 200, 1024, RECORD_BYTES + 4096)


def macros(producer: Producer) -> dict[str, int]:
    """Return the macros of all transports: record lengths, and loops only where needed.

    The verifier takes half a second for a loop of 1,000 records, and for ever for a delay in it.
    """
    *fewer, most = _MOST_RECORDS
    most = next((each for each in fewer if producer.records_per_exit <= each), most)
    raw, turns = producer.attach is not Attach.TRACEPOINT, _turns(producer)
    switches = {
        "CHECKED": producer.checked,
        "PADDED": producer.payload_bytes and not producer.checked,
        "WAKE_BY_BYTES": producer.wake is Wake.BYTES,
        "DELAY": producer.delay_ns,
        "SCRATCH": producer.scratch,
        "RAW_ARGUMENTS": raw,
        "PREEMPTIBLE": raw,
    }
    found = {"MAX_RECORDS_PER_EXIT": most, "SIZE_0": turns[0]}
    found |= {name: 1 for name, on in switches.items() if on}
    if len(turns) > 1:
        sizes = sorted({*turns})
        found |= {f"SIZE_{at}": sizes[min(at, len(sizes) - 1)] for at in range(MOST_LENGTHS)}
        turns *= TURNS // len(turns)
        found |= {"TURNS": sum(sizes.index(size) << 2 * turn for turn, size in enumerate(turns))}
    return found


def lengths(producer: Producer) -> tuple[int, ...]:
    """Return the lengths of records in the order of their sequence numbers, over and over."""
    turns = _turns(producer)
    return (max(turns),) if producer.call is Call.LARGEST else turns


def _turns(producer: Producer) -> tuple[int, ...]:
    """Return the bytes with which records are written in turn."""
    if producer.payload_bytes == MIXED:
        return _MIXED_BYTES
    return tuple(RECORD_BYTES + padding for padding in producer.mix or (producer.payload_bytes,))


def encode(producer: Producer, *, session: int, rings: int, duet: Duet | None = None) -> bytes:
    """Return the settings map's value. ``session``: pid of the storm's leader, 0 for none."""
    return _LAYOUT.pack(
        procfs.namespace("pid") or 0,
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
