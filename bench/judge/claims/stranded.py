# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Records that waited from one small burst to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.errors import JournalError
from bench.trial.result import TrialResult


class Late(NamedTuple):
    """Records that waited at least the pause between bursts, of how many bursts and records."""

    late: int
    bursts: int
    records: int


def late_records(trials: Sequence[TrialResult]) -> Late:
    """Summed over trials; JournalError if a latency histogram cannot be decoded."""
    late = bursts = records = 0
    for trial in trials:
        storm, latency = trial.config.storm, trial.latency
        if latency is None:
            continue
        bursts += storm.count // storm.burst_size
        records += latency.count
        pause_ns = round(storm.pause_ms * 1e6)
        if latency.max_ns >= pause_ns:
            late += _from(latency.histogram, pause_ns)
    return Late(late, bursts, records)


def _from(histogram: str, least_ns: int) -> int:
    from hdrh.histogram import HdrHistogram

    try:
        decoded = HdrHistogram.decode(histogram)
    except Exception as error:  # foreign data; the decoder raises many kinds
        raise JournalError(f"a latency histogram cannot be decoded ({error})") from error
    return sum(
        int(step.count_added_in_this_iter_step)
        for step in decoded.get_recorded_iterator()
        if step.value_iterated_to >= least_ns
    )


def late_share(trial: TrialResult) -> float | None:
    """Records that waited so long, over all of one trial."""
    found = late_records([trial])
    return found.late / found.records if found.records else None
