# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Describe a storm: its shape and size as requested, and the generator's report of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil
from typing import Self


class Shape(StrEnum):
    """Name the kinds of storms; workloads/shapes.c makes them."""

    workers: int  # of a shape that has a fixed number; else 0
    cpus: int  # that it takes
    paced: str  # the subject of "is paced", of a shape that takes a rate

    def __new__(cls, name: str, workers: int = 0, cpus: int = 1, paced: str = "") -> Self:
        """Return the shape of this name, which its traits follow."""
        shape = str.__new__(cls, name)
        shape._value_ = name
        shape.workers, shape.cpus, shape.paced = workers, cpus, paced
        return shape

    STORM = "storm"
    BURST = "burst"
    CHAIN = "chain"
    PINGPONG = "pingpong", 0, 2
    HOTCPU = "hotcpu"
    TRICKLE = "trickle", 1, 1, "a trickle"
    THREADS = "threads"
    REPLAY = "replay"  # as the schedule says
    # The first CPU as fast as it can, the last one at rate_per_s.
    UNEVEN = "uneven", 2, 2, "the quiet half of uneven"


class Spawn(StrEnum):
    """Choose the system call that makes a child.

    A burst's children outlive the call that makes them, so there vfork means fork.
    """

    VFORK = "vfork"
    FORK = "fork"
    CLONE = "clone"


class Gap(StrEnum):
    """Choose how arrivals of a paced storm are spaced."""

    FIXED = "fixed"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Describe a storm as requested. ``count`` and ``seconds`` bound it, whichever comes first."""

    shape: Shape = Shape.STORM
    count: int = 20_000  # children to make, over all workers; of uneven, the hot one's
    workers: int = 2  # trickle always has one, uneven two
    spawn: Spawn = Spawn.VFORK
    rate_per_s: float = 0.0  # over all workers; 0: as fast as they can; of uneven, the quiet one's
    gap: Gap = Gap.FIXED
    burst_size: int = 1_000  # burst: children that exit at once
    pause_ms: float = 0.0  # burst: between bursts
    depth: int = 8  # chain: processes in one chain
    threads: int = 4  # threads: threads that exit inside each living process
    execute: bool = False  # children exec a tiny static program
    exit_code: int | None = 0  # None: 0..255 in turn
    cpus: tuple[int, ...] = ()  # affinity of the whole storm; () leaves it alone
    seconds: float = 30.0
    seed: int = 1
    schedule: tuple[int, ...] = ()  # replay: children of each bin of time
    bin_ms: float = 0.0
    timed: bool = False  # ``seconds`` ends it: ``count`` is only a bound

    @property
    def real_workers(self) -> int:
        """Return the number of workers that the storm really has."""
        return self.shape.workers or self.workers

    @property
    def most_processes(self) -> int:
        """Return children and workers at most; uneven's quiet one goes on as long as the storm."""
        quiet = ceil(self.rate_per_s * self.seconds) if self.shape is Shape.UNEVEN else 0
        return self.count + self.real_workers + quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class StormReport:
    """Hold what the generator counted. Times are CLOCK_MONOTONIC nanoseconds."""

    made: int  # processes made: children and workers, the generator itself not
    reaped: int  # of those, the ones waited for; own exits are checked against it
    start_ns: int
    end_ns: int
    failed: dict[str, int] = field(default_factory=dict)  # errno name -> times
    exit_statuses: dict[int, int] = field(default_factory=dict)  # wait status -> times seen
    threads_made: int = 0
    lowered_from: int = 0  # 0, or the processes at once requested before limits cut them
    at_once: int = 0  # processes and threads at once; of a burst the most counted; 0: not recorded
    stopped_by: str = ""  # "", "seconds" or "signal"
    user_id: int | None = None  # that ran the storm; None: not recorded

    @property
    def seconds(self) -> float:
        """Return the length of the storm."""
        return (self.end_ns - self.start_ns) / 1e9

    @property
    def rate_per_s(self) -> float:
        """Return the processes reaped per second."""
        return self.reaped / self.seconds if self.end_ns > self.start_ns else 0.0
