# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold the result of one trial, the line that goes into the journal, and what its storm lacked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from bench.amounts import counted, given
from bench.host import signals
from bench.measure.by_cpu import CpuShare
from bench.measure.cost import Cost, Occupancy
from bench.measure.duet import Ranks
from bench.measure.late import Late
from bench.measure.latency import Latency
from bench.measure.ledger import Ledger
from bench.measure.ordering import Ordering
from bench.measure.restoring import Restored
from bench.measure.timeline import Timeline
from bench.plan.config import TrialConfig
from bench.plan.experiments import ArmName
from bench.record.counters import WriteTimes
from bench.record.footprint import Memory
from workloads.storm import Shape, Storm, StormReport


class State(StrEnum):
    """Classify a trial. Only VALID, DISTURBED and NOISY trials enter comparisons."""

    VALID = "valid"
    NOISY = "noisy"  # the machine was disturbed beyond the stated bound
    DISTURBED = "disturbed"  # the kernel skipped the tracer: missed > 0
    REDUCED = "reduced"  # the storm was lowered, failed in part, or was stopped early
    INVALID = "invalid"  # the ledger has a residue, or the kernel complained


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Describe the machine while the trial ran."""

    steal_share: float  # of all CPU time
    load_1m: float
    other_exits: int  # exits of processes that are not the storm's
    kernel_complaints: tuple[str, ...] = ()  # WARN, BUG, stall lines of dmesg
    # None: no transport ran, or the kernel does not report it.
    away_ns: int | None = None  # the longest time that the harness did not run
    neighbours: tuple[str, ...] | None = None  # others' programs at the same event
    unbuffered: tuple[str, ...] = ()  # CPUs that had no living buffer, in words
    foreign_cpus: float | None = None  # CPU seconds per second of others' tasks; None: not recorded
    foreign_cpus_error: float = 0.0  # of sampling at ticks
    stalled: dict[str, float] = field(default_factory=dict)  # share of time some task waited (PSI)
    throttled_s: float | None = None  # for which a CPU quota stopped tasks; None: not recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Hold what only a trial has that shared its storm with another one: a duet."""

    second: bool  # of the two arms as requested
    key: int  # of the hash that shared out the exits
    swapped: bool  # the first arm's records carry the flag SECOND, not the second's
    ranks: Ranks | None  # the first arm's latencies against the second's; None: one has none
    wakeups_raised: int | None = None  # in the storm, by both arms; None: not recorded
    washed_out: int  # records left out of latency, from the beginnings of windows
    reading_ns: int | None = None  # the consumer's, of the arm's buffers; None: not recorded
    # Records stamped in each part of all windows, washout included, and their median latency in ns;
    # () without windows.
    latency_by_age: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """Hold one trial, measured. ``ledger`` and what follows are None where no transport ran."""

    experiment: str  # e.g. "storm"
    arm: ArmName  # the configuration within its experiment, e.g. "ringbuf@64KiB"
    block: int  # from 0
    position: int  # place within the block's random order, from 0
    config: TrialConfig
    started_utc: str  # ISO 8601
    storm: StormReport
    conditions: Conditions
    state: State
    reasons: tuple[str, ...] = ()  # why it is not VALID, in words
    ledger: Ledger | None = None
    ordering: Ordering | None = None
    latency: Latency | None = None
    memory: Memory | None = None
    cost: Cost | None = None
    by_cpu: tuple[CpuShare, ...] = ()
    occupancy: Occupancy | None = None
    lost_told: dict[str, int] = field(default_factory=dict)  # the kernel's own lost counts, by kind
    timeline: Timeline | None = None  # of the first block's trials only
    late: Late | None = None  # why records waited long; None: not requested
    write: WriteTimes | None = None  # of duets only
    half: Half | None = None  # None: the arm had the storm to itself
    restored: tuple[Restored, ...] = ()  # with per-CPU buffers; (): with others, or not recorded
    skipped_told: int | None = None  # recursion_misses of fdinfo; some kernels always say 0

    @property
    def storm_ns(self) -> int:
        """Return the storm's length in ns."""
        return self.storm.end_ns - self.storm.start_ns


def shortfall(storm: Storm, report: StormReport) -> tuple[str, ...]:
    """Return the reasons why ``report`` is not the storm requested, in words; () if it is.

    Journals before schema 3 do not record how many processes a burst had at once; there the
    limits that lowered it, and the calls that failed, are the evidence.
    """
    return tuple(_reasons(storm, report))


def _reasons(storm: Storm, report: StormReport) -> Iterator[str]:
    if report.lowered_from:
        to = f" to {report.at_once:,}" if report.at_once else ""
        yield f"limits lowered the storm from {report.lowered_from:,} processes at once{to}"
    if report.failed:
        causes = ", ".join(f"{name} {count:,}" for name, count in sorted(report.failed.items()))
        times = counted(sum(report.failed.values()), "time")
        yield f"processes or threads could not be made {times} ({causes})"
    by_time = report.stopped_by == "seconds"
    if report.stopped_by and not (storm.timed and by_time):
        limit = f"its limit of {given(storm.seconds, 's')}" if by_time else "a signal"
        asked = storm.count + storm.real_workers
        yield f"{limit} stopped the storm after {report.reaped:,} of {asked:,} processes"
    killed = {
        signals.named(status & 0x7F): count
        for status, count in report.exit_statuses.items()
        if status & 0x7F
    }
    for name, count in sorted(killed.items()):
        yield f"{name} ended {counted(count, 'process', 'processes')} of the storm"
    wanted = storm.real_workers + min(storm.burst_size, storm.count)
    narrow = storm.shape is Shape.BURST and 0 < report.at_once < wanted
    if narrow and not (report.lowered_from or report.failed or report.stopped_by):
        yield (
            f"at most {counted(report.at_once, 'process', 'processes')} existed at once, "
            f"not {wanted:,}"
        )
