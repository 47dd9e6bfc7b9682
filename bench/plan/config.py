# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the configuration of one trial: all that is chosen, nothing that is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from workloads.storm import Storm


class Poll(StrEnum):
    """Choose how the consumer waits: on epoll, not at all, asleep for fixed intervals, for the end.

    Edge-triggered epoll checks no buffer before it sleeps: the consumer must look again after it
    has published its position, which needs a full barrier. ``EDGE_BARE`` lacks both.
    """

    EPOLL = "epoll"
    BUSY = "busy"
    TIMED = "timed"
    STOPPED = "stopped"  # reads nothing before the storm is over
    EDGE = "edge"
    EDGE_BARE = "edge-bare"

    @property
    def on_epoll(self) -> bool:
        """Return whether the kernel wakes the consumer."""
        return self in (Poll.EPOLL, Poll.EDGE, Poll.EDGE_BARE)


class Wake(StrEnum):
    """Choose when the producer wakes the consumer."""

    ADAPTIVE = "adaptive"  # the transport's default: ring when caught up, perf at every record
    NONE = "none"
    FORCED = "forced"
    WATERMARK = "watermark"  # every N records of a CPU
    BYTES = "bytes"  # ring: from N unread bytes on, of all CPUs; perf: every N bytes of a CPU


class Call(StrEnum):
    """Choose how a ring buffer is written."""

    RESERVE = "reserve"
    OUTPUT = "output"
    DYNPTR = "dynptr"  # reserve of a length known at run time, Linux 5.19
    LARGEST = "largest"  # reserve of the longest record that there can be, as of a union
    DISCARD = "discard"  # reserve, behind one that was reserved and discarded without a wake-up


class Attach(StrEnum):
    """Choose where a program that runs at an exit is attached."""

    TRACEPOINT = "tracepoint"  # a perf event on it: never preempted
    RAW = "raw"  # the raw tracepoint: preemptible from 7.0 on
    TP_BTF = "tp_btf"  # the same, by its type in BTF

    @property
    def preemptible(self) -> bool:
        """Return whether some kernel can preempt the program."""
        return self is not Attach.TRACEPOINT


class Reader(StrEnum):
    """Name the readers that drain the buffers."""

    NATIVE = "native"
    LIBBCC = "bcc"
    LIBBPF = "libbpf"  # ring__consume_n, from libbpf 1.5 on, and perf_buffer__poll
    COMMAND = "command"  # a program of its own

    @property
    def of_library(self) -> bool:
        """Return whether a library's functions read, with a timeout of their own."""
        return self in (Reader.LIBBCC, Reader.LIBBPF)


MIXED = -1
"""``payload_bytes`` that asks for mixed lengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Describe how the buffers are drained."""

    reader: Reader = Reader.NATIVE
    command: tuple[str, ...] = ()  # of Reader.COMMAND
    poll: Poll = Poll.EPOLL
    interval_ms: float = 5.0  # timed: sleep between drains
    flush_ms: float = 0.0  # epoll: longest time between two reads of everything; 0: no limit
    stall_after_ms: float = 0.0  # at the first record this long after the storm began, once, ...
    stall_ms: float = 0.0  # ... read nothing for this long; 0: never
    cost_ns: int = 0  # spent on each record, as a slower consumer would
    cpu: int | None = None  # pin the consumer
    threads: int = 1  # that drain, each its own share of the buffers
    late_ms: float = 0.0  # find out why records wait this long; 0: do not
    count_syscalls: bool = False  # of the consuming thread; not from within a PID namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """Describe what the BPF program does at each exit."""

    wake: Wake = Wake.ADAPTIVE
    watermark: int = 1  # records for Wake.WATERMARK, bytes with headers for Wake.BYTES
    call: Call = Call.RESERVE
    payload_bytes: int = 0  # padding, a multiple of 8 up to 4,096, the most of a mix, or MIXED
    mix: tuple[int, ...] = ()  # padding of 16 records in turn, up to four values; empty: all alike
    records_per_exit: int = 1
    delay_ns: int = 0  # spent on each record before it is submitted, up to some 100 us, ...
    delay_cpu: int = -1  # ... on this CPU (-1: on all)
    attach: Attach = Attach.TRACEPOINT
    checked: bool = False  # a record has a checksum for payload; two programs share the work
    scratch: bool = False  # they build records in memory of their CPU, not on their stacks


AGES: Final = 20
"""Parts of a window, which show for how long the previous arm has an effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duet:
    """Describe how the exits of one storm are divided between a duet's two arms, at random."""

    window_ns: int = 0  # windows of this length go to one arm each; 0: processes do
    washout_ns: int = 0  # at the beginning of each window, left out of latency and write time
    solo: bool = False  # instead, all exits of a storm go to one arm


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialConfig:
    """Describe one configuration that blocks compare."""

    transport: str  # "ringbuf", "perfbuf", "noop" (a program that writes nothing), "none"
    budget_bytes: int  # data bytes over all buffers; 0 for noop and none
    storm: Storm = field(default_factory=Storm)
    producer: Producer = field(default_factory=Producer)
    consumer: Consumer = field(default_factory=Consumer)
    kernel_stats: bool = False  # BPF_ENABLE_STATS: ns per run, at a cost
    map_callers: int = 0  # processes that make bpf() map calls beside the storm
    duet: Duet | None = None  # None: the arm has the storm to itself
    lazy_reader: bool = False  # the consumer's position is published once a visit
    whole_reader: bool = False  # a record is copied whole; else read in place
