# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Records that waited from one small burst to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.measure.latency import decode
from bench.trial.result import TrialResult


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
