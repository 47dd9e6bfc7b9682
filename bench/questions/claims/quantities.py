# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Numbers of a trial that claims speak of; None where a trial does not have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from bench.judge.numbers import number
from bench.measure.by_cpu import CpuShare
from bench.measure.latency import decode
from bench.trial.result import TrialResult

_REFUSED_SHARE = 0.9  # of a trial's writes, for its ns to be those of a refused one


drained_per_s: Final = number("drained_per_s")
dropped_share: Final = number("own_dropped_share")
empty_poll_share: Final = number("empty_poll_share")
empty_polls_per_event: Final = number("empty_polls_per_event")
violation_share: Final = number("causal_violation_share")
_ns_per_record: Final = number("kernel_ns_per_record")


def ns_per_success(trial: TrialResult) -> float | None:
    """Return kernel ns of a record, where every write succeeded: the mean over all BPF runs."""
    if trial.ledger is None or trial.ledger.dropped:
        return None
    return _ns_per_record(trial)


def steady_ns(trial: TrialResult) -> float | None:
    """Return kernel ns of a record from record to record of an exit, the median over exits.

    Stolen time and ticks are not in it; nor is what few exits pay, so it is not for contention.
    Only exits count whose records were all written, so that a neighbour's exits, which take up
    room, matter only once they took half of it. In journals that do not record it,
    the mean over BPF runs, of trials that lost nothing.
    """
    if trial.ledger is None or trial.cost is None:
        return None
    if not trial.cost.record_ns:
        return ns_per_success(trial)
    return trial.cost.record_ns if 2 * trial.ledger.dropped <= trial.ledger.attempted else None


def ns_per_refusal(trial: TrialResult) -> float | None:
    """Return kernel ns of a record, where nearly every write was refused."""
    ledger = trial.ledger
    if ledger is None or ledger.dropped < _REFUSED_SHARE * ledger.attempted:
        return None
    return _ns_per_record(trial)


def raised_per_event(trial: TrialResult) -> float | None:
    """Return irq_work interrupts for each record; none counts as one, so that it has a ratio."""
    cost = trial.cost
    if cost is None or cost.wakeups_raised is None or not cost.attempted:
        return None
    return max(cost.wakeups_raised, 1) / cost.attempted


def cpu_s_per_million(trial: TrialResult) -> float | None:
    """Return CPU seconds of the consumer for a million records."""
    return number("consumer_cpu_s_per_million")(trial) or None


def syscalls_per_event(trial: TrialResult) -> float | None:
    """Return system calls of the consuming thread for each record delivered."""
    cost = trial.cost
    if cost is None or cost.consumer_syscalls is None or not cost.delivered:
        return None
    return cost.consumer_syscalls / cost.delivered


def latency_p50_ns(trial: TrialResult) -> float | None:
    """Return the median latency."""
    latency = trial.latency
    return float(latency.p50_ns) if latency is not None and latency.p50_ns > 0 else None


def lossless_p50_ns(trial: TrialResult) -> float | None:
    """Return the median latency where nothing was lost: a transport that drops looks quick."""
    return None if trial.ledger is None or trial.ledger.dropped else latency_p50_ns(trial)


def waited_share(trial: TrialResult) -> float | None:
    """Return p99 latency over the time in which as many events come as one wake-up stands for."""
    latency, seconds = trial.latency, trial.storm.seconds
    if latency is None or not latency.p99_ns or not trial.storm.reaped or seconds <= 0:
        return None
    between_ns = seconds * 1e9 / trial.storm.reaped
    return latency.p99_ns / (trial.config.producer.watermark * between_ns)


def rss_over_physical(trial: TrialResult) -> float | None:
    """Return VmRSS that opening the buffers added, over the bytes that they really take."""
    memory = trial.memory
    if memory is None or not memory.observed.rss_bytes:
        return None
    return memory.observed.rss_bytes / memory.footprint.physical_bytes


def _last(trial: TrialResult) -> CpuShare | None:
    """Return the share of the last CPU: in an uneven storm, the quiet one."""
    return max(trial.by_cpu, key=lambda share: share.cpu, default=None)


def quiet_dropped_share(trial: TrialResult) -> float | None:
    """Return records dropped over attempted on the last CPU."""
    share = _last(trial)
    return share.dropped / share.attempted if share is not None and share.attempted else None


def quiet_latency_p50_ns(trial: TrialResult) -> float | None:
    """Return the median latency of the last CPU's records."""
    share = _last(trial)
    return float(share.latency_p50_ns) if share is not None and share.latency_p50_ns else None


def quiet_latency_p99_ns(trial: TrialResult) -> float | None:
    """Return the 99th percentile of the same."""
    share = _last(trial)
    return float(share.latency_p99_ns) if share is not None and share.latency_p99_ns else None


class Late(NamedTuple):
    """Records that waited at least the pause between bursts, of how many bursts and records."""

    late: int
    bursts: int
    records: int
    stranded: int | None  # of them, those that nobody was woken for; None: not recorded
    unknown: int  # of them, those of which that is not known


def late_records(trials: Sequence[TrialResult]) -> Late:
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
    return Late(late, bursts, records, stranded if recorded else None, unknown)


def _from(histogram: str, least_ns: int) -> int:
    decoded = decode(histogram)
    # hdrh's own iterators visit each of its 33,792 bins in Python.
    counts = np.frombuffer(decoded.counts, np.int64)
    late = 0
    for index in np.flatnonzero(counts)[::-1].tolist():
        lowest_ns = decoded.get_value_from_index(index)
        if decoded.get_highest_equivalent_value(lowest_ns) < least_ns:
            break
        late += int(counts[index])
    return late


def late_share(trial: TrialResult) -> float | None:
    """Return the share of one trial's records that waited so long."""
    found = late_records([trial])
    return found.late / found.records if found.records else None
