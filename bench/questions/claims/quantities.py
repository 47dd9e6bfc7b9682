# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Take the numbers of claims from a trial; None if it does not have one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np

from bench.judge.numbers import Take, number, take
from bench.measure.bins import Bins, highest_ns
from bench.measure.by_cpu import CpuShare
from bench.trial.result import TrialResult

_REFUSED_SHARE = 0.9  # least share of a trial's writes for its ns to be a refused one's


def _positive(take: Take) -> Take:
    """Leave out 0, which has no ratio."""
    return lambda trial: take(trial) or None


def _lossless(take: Take) -> Take:
    """Leave out trials that lost something."""
    return lambda trial: None if trial.ledger is None or trial.ledger.dropped else take(trial)


def _quiet(take: Callable[[CpuShare], float | None]) -> Take:
    """Take the number of the last CPU: in an uneven storm, the quiet one."""

    def of(trial: TrialResult) -> float | None:
        return take(max(trial.by_cpu, key=attrgetter("cpu"))) if trial.by_cpu else None

    return of


drained_per_s: Final = number("drained_per_s")
dropped_share: Final = number("own_dropped_share")
empty_poll_share: Final = number("empty_poll_share")
empty_polls_per_event: Final = number("empty_polls_per_event")
violation_share: Final = number("causal_violation_share")
cpu_s_per_million: Final = _positive(number("consumer_cpu_s_per_million"))
syscalls_per_event: Final = take("cost.consumer_syscalls / cost.delivered")
latency_p50_ns: Final = _positive(number("latency_p50_ns"))
lossless_p50_ns: Final = _lossless(latency_p50_ns)
"""The median latency if nothing was lost: a transport that drops looks faster."""

write_ns: Final = number("write_ns")
steady_write_ns: Final = number("steady_write_ns")
_ns_per_record: Final = number("kernel_ns_per_record")
ns_per_success: Final = _lossless(_ns_per_record)
"""Kernel ns of a record, if every write succeeded: the mean over all BPF runs."""


def drained_millions_per_s(trial: TrialResult) -> float | None:
    """Return millions of records delivered per second."""
    rate = drained_per_s(trial)
    return None if rate is None else rate / 1e6


def steady_per_s(trial: TrialResult) -> float | None:
    """Return records delivered per second in the middle of the deliveries, or else over all.

    The last records of a storm, fewer than the watermark, wait until the program is detached.
    """
    cost = trial.cost
    if cost is None or not cost.steady_delivery_ns:  # journals that do not record it
        return drained_per_s(trial)
    return 1e9 / cost.steady_delivery_ns


def steady_ns(trial: TrialResult) -> float | None:
    """Return kernel ns of a record from record to record of an exit, the median over exits.

    It excludes stolen time and ticks, and costs of few exits, so it does not show contention. Only
    exits whose records were all written count, so that a neighbour's exits, which take up room,
    matter only if they take half of it. In journals that do not record it, the mean over BPF runs
    of trials that lost nothing.
    """
    if trial.ledger is None or trial.cost is None:
        return None
    if not trial.cost.record_ns:
        return ns_per_success(trial)
    return trial.cost.record_ns if 2 * trial.ledger.dropped <= trial.ledger.attempted else None


def ns_per_refusal(trial: TrialResult) -> float | None:
    """Return kernel ns of a record, if nearly every write was refused."""
    ledger = trial.ledger
    if ledger is None or ledger.dropped < _REFUSED_SHARE * ledger.attempted:
        return None
    return _ns_per_record(trial)


def raised_per_event(trial: TrialResult) -> float | None:
    """Return irq_work interrupts per record; 0 counts as 1, so that it has a ratio."""
    cost = trial.cost
    if cost is None or cost.wakeups_raised is None or not cost.attempted:
        return None
    return max(cost.wakeups_raised, 1) / cost.attempted


def waited_share(trial: TrialResult) -> float | None:
    """Return p99 latency over the time in which the events of one wake-up arrive."""
    latency, seconds = trial.latency, trial.storm.seconds
    if latency is None or not latency.p99_ns or not trial.storm.reaped or seconds <= 0:
        return None
    between_ns = seconds * 1e9 / trial.storm.reaped
    return latency.p99_ns / (trial.config.producer.watermark * between_ns)


rss_over_physical: Final = _positive(
    take("memory.observed.rss_bytes / memory.footprint.physical_bytes")
)
"""VmRSS added by opening the buffers, over the bytes that they actually take."""

quiet_dropped_share: Final = _quiet(
    lambda cpu: cpu.dropped / cpu.attempted if cpu.attempted else None
)
quiet_latency_p50_ns: Final = _quiet(lambda cpu: cpu.latency_p50_ns or None)
quiet_latency_p99_ns: Final = _quiet(lambda cpu: cpu.latency_p99_ns or None)


def lost_apart(trial: TrialResult) -> float | None:
    """Return the share that the last CPU lost less the first one's; None if neither lost."""
    shares = [
        each.dropped / each.attempted
        for each in sorted(trial.by_cpu, key=attrgetter("cpu"))
        if each.attempted
    ]
    return shares[-1] - shares[0] if len(shares) > 1 and (shares[0] or shares[-1]) else None


class LateCount(NamedTuple):
    """Count records that waited at least the pause between bursts, and all bursts and records."""

    late: int
    bursts: int
    records: int
    stranded: int | None  # those of them without a wake-up; None: not recorded
    unknown: int  # those of them for which that is unknown


def late_records(trials: Sequence[TrialResult]) -> LateCount:
    """Return the sum over trials; JournalError if a latency histogram cannot be decoded."""
    late = bursts = records = stranded = unknown = 0
    recorded = True
    for trial in trials:
        storm, latency = trial.config.storm, trial.latency
        if latency is None:
            continue
        bursts += storm.count // max(storm.burst_size, 1)
        records += latency.count
        pause_ns = round(storm.pause_ms * 1e6)
        waited = _from(latency.histogram, pause_ns) if latency.max_ns >= pause_ns else 0
        late += waited
        if trial.late is None:
            recorded = False
            unknown += waited
        else:
            stranded += trial.late.stranded
            unknown += trial.late.unknown
    return LateCount(late, bursts, records, stranded if recorded else None, unknown)


def _from(histogram: str, least_ns: int) -> int:
    bins = Bins.of([histogram])
    late = np.fromiter(highest_ns(bins.bins), np.int64) >= least_ns
    return int(bins.counts[late].sum())


def late_share(trial: TrialResult) -> float | None:
    """Return the share of one trial's records that waited that long."""
    found = late_records([trial])
    return found.late / found.records if found.records else None
