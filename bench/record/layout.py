# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the exit record's layout: bpf/common/record.h plus what the capture adds.

It stands apart from records.py so that `bufbench trace` reads records without numpy. All times
are CLOCK_MONOTONIC nanoseconds. docs/record-format.md explains every field.
"""

from __future__ import annotations

import struct
from enum import IntFlag
from typing import Final, NamedTuple


class Flag(IntFlag):
    """Name the bits of ``flags``; they must agree with bpf/common/record.h."""

    OWN = 1  # a process of the storm, by session, except the session's leader
    NO_CHILDREN = 2  # task->children was empty when it exited
    GROUP_EXIT = 4  # the status is signal->group_exit_code
    REPEAT = 8  # record 2..K of one exit, when several are asked for
    SECOND = 16  # of a duet's second arm


class CapturedRecord(NamedTuple):
    """Describe one row of the capture. The first twelve fields are what the tracer sent."""

    timestamp_ns: int  # taken in the kernel just before output
    start_ns: int  # the leader's start time
    parent_start_ns: int
    duration_ns: int
    pid: int  # the tgid
    parent_pid: int
    status: int  # as waitpid gives it
    sequence: int  # per CPU, from 0, taken before output
    length: int  # bytes that the tracer sent, padding included
    cpu: int
    flags: int
    comm: bytes
    delivered_ns: int  # when the consumer held the record
    arrived_bytes: int  # the length that the transport reported
    tail: int  # the last 4 bytes of the padding; equals ``sequence``, 0 without padding


SENT_CODES: Final = ("Q",) * 4 + ("I",) * 5 + ("H",) * 2 + ("16s",)
CAPTURED_CODES: Final = (*SENT_CODES, "Q", "I", "I")

ROW: Final = struct.Struct("<" + "".join(CAPTURED_CODES))
RECORD_BYTES: Final = struct.calcsize("<" + "".join(SENT_CODES))
"""Length of a record without padding."""

CHECKSUM_BYTES: Final = 8
"""Added to a record by a checksum, whose upper half arrives as the tail."""
