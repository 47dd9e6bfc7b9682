# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The exit record as numpy sees it: bpf/common/record.h plus what the capture adds.

All times are CLOCK_MONOTONIC nanoseconds. docs/record-format.md explains every field.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Final

import numpy as np
import numpy.typing as npt


class Flag(IntFlag):
    """Bits of ``flags``; they must agree with bpf/common/record.h."""

    OWN = 1  # a process of the storm, by session, the session's leader not counted
    NO_CHILDREN = 2  # task->children was empty when it exited
    GROUP_EXIT = 4  # the status is signal->group_exit_code
    REPEAT = 8  # record 2..K of one exit, when several are asked for


RECORD: Final = np.dtype(
    [
        ("timestamp_ns", "<u8"),  # taken in the kernel just before output
        ("start_ns", "<u8"),  # the leader's start time
        ("parent_start_ns", "<u8"),
        ("duration_ns", "<u8"),
        ("pid", "<u4"),  # the tgid
        ("parent_pid", "<u4"),
        ("status", "<u4"),  # as waitpid gives it
        ("sequence", "<u4"),  # per CPU, from 0, taken before output
        ("length", "<u4"),  # bytes that the tracer sent, padding included
        ("cpu", "<u2"),
        ("flags", "<u2"),
        ("comm", "S16"),
    ]
)
"""What the tracer sends (72 bytes, then padding)."""

CAPTURED: Final = np.dtype(
    [
        *((name, RECORD.fields[name][0]) for name in RECORD.names),  # type: ignore[index,union-attr]
        ("delivered_ns", "<u8"),  # when the consumer held the record
        ("arrived_bytes", "<u4"),  # the length that the transport told
        ("tail", "<u4"),  # the last 4 bytes of the padding; equals ``sequence``, 0 without padding
    ]
)
"""What the capture keeps of each record (88 bytes), in the order of delivery."""

Records = npt.NDArray[np.void]
"""One-dimensional array of dtype ``CAPTURED``, in the order of delivery."""
