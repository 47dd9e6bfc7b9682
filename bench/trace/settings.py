# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""struct tracer_settings of bpf/common/settings.h: what varies without compiling anew."""

from __future__ import annotations

import os
import struct
from typing import Final

from bench.layout import RECORD_BYTES
from bench.plan.config import MIXED, Producer, Wake

_LAYOUT: Final = struct.Struct("=QQIIIIII8x")
_NEVER: Final = 2**32 - 1
_WAKE_FLAGS: Final = {
    Wake.ADAPTIVE: 0,
    Wake.NONE: 1,  # BPF_RB_NO_WAKEUP
    Wake.FORCED: 2,  # BPF_RB_FORCE_WAKEUP
    Wake.WATERMARK: 1,
}

MIXED_BYTES: Final = (RECORD_BYTES, 200, 1024, RECORD_BYTES + 4096)
"""The four lengths of records under mixed padding."""


def record_sizes(payload_bytes: int) -> tuple[int, ...]:
    """The four record lengths to compile in for this padding: one of them, or mixed."""
    if payload_bytes == MIXED:
        return MIXED_BYTES
    return (RECORD_BYTES + payload_bytes,) * len(MIXED_BYTES)


def encode(producer: Producer, *, session: int, rings: int) -> bytes:
    """The map's value. ``session``: pid of the storm's session leader, 0 for none."""
    return _LAYOUT.pack(
        os.stat("/proc/self/ns/pid").st_ino,
        _WAKE_FLAGS[producer.wake],
        session,
        producer.watermark if producer.wake is Wake.WATERMARK else _NEVER,
        producer.records_per_exit,
        0,
        len(MIXED_BYTES) - 1 if producer.payload_bytes == MIXED else 0,
        rings,
    )
