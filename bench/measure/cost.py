# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure what a trial took: CPU time and wake-ups, ns per record, and space in the buffers.

A mean over all of a trial's BPF runs, which is what the kernel's statistics give, includes every
interrupt and every stolen millisecond, and a trial's runs together take only a few milliseconds.
The median over exits includes none of that as long as fewer than half were interrupted. Nor does it
include what fewer than half pay, such as those that write while another CPU does.

Exits and deliveries are taken from the storm's steady middle. Workers do not start and stop at
once, the consumer sleeps at first, and the last records are read after the storm: a tenth of the
events at either end is left out.

The consumer samples occupancy at the beginning of each pass: bytes written and not yet read, over
all buffers (ring: producer minus consumer position; perf: data_head minus data_tail).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.measure.columns import Floats, percentiles
from bench.record.records import Flag, Records

_LEFT_OUT: Final = 10  # 1/n of the events, at either end
_FEWEST: Final = 100
"""With fewer events, single ones would decide the middle."""

_MOST: Final = 1 << 16  # exits that are sorted: of more, every n-th


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Hold raw sums of one trial; judge/numbers.py derives figures per event from them."""

    storm_ns: int  # the storm's own length
    delivered: int  # records, the denominator of consumer figures
    attempted: int  # records, the denominator of producer figures
    kernel_runs: int | None  # None: BPF_ENABLE_STATS was off
    kernel_run_ns: int | None
    consumer_cpu_ns: int
    consumer_voluntary_switches: int
    consumer_involuntary_switches: int
    wakeups_taken: int  # returns of poll after which something was read
    wakeups_raised: int | None  # irq_work interrupts (IWI), all CPUs; None: not reported
    delivery_ns: int = 0  # first kernel timestamp to the last delivery; 0 without records
    consumer_syscalls: int | None = None  # None: not counted
    empty_polls: int | None = None  # returns of poll with nothing to read; None: not counted
    record_ns: float | None = None  # from record to record of one exit; None: one record per exit
    # In the storm's steady middle; None: too few, or not recorded.
    steady_exit_ns: float | None = None  # from one delivered exit of the storm to the next
    steady_delivery_ns: float | None = None  # from one delivery to the next

    @property
    def consumer_switches(self) -> int:
        """Return the context switches of the consumer, of both kinds."""
        return self.consumer_voluntary_switches + self.consumer_involuntary_switches

    @property
    def polls(self) -> int | None:
        """Return how often poll reported a buffer readable, with something to read or not."""
        return None if self.empty_polls is None else self.empty_polls + self.wakeups_taken

    @property
    def delivery_s(self) -> float:
        """Return the seconds from the first kernel timestamp to the last delivery."""
        return self.delivery_ns / 1e9

    @property
    def consumer_cpu_s_per_million(self) -> float | None:
        """Return the consumer's CPU seconds for a million records; None without any."""
        return self.consumer_cpu_ns / self.delivered / 1e3 if self.delivered > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """Hold shares from 0 to 1."""

    samples: int
    p50_share: float  # of the data bytes, over the samples
    p99_share: float
    max_share: float
    consumer_idle_share: float  # of the storm's time that the consumer was off its CPU

    @property
    def consumer_busy_share(self) -> float:
        """Return the share of the storm's time that the consumer was on its CPU."""
        return 1.0 - self.consumer_idle_share


def occupancy(
    used_bytes: npt.NDArray[np.uint64],
    data_bytes: int,
    *,
    consumer_cpu_ns: int,
    storm_ns: int,
) -> Occupancy:
    """Summarise ``used_bytes``: one sample a pass, shape (n,). All zeros without samples."""
    idle = 1.0 - min(consumer_cpu_ns / storm_ns, 1.0) if storm_ns > 0 else 0.0
    p50, p99, most = percentiles(used_bytes.astype(np.int64), (500, 990, 1000))
    return Occupancy(
        samples=len(used_bytes),
        p50_share=p50 / data_bytes,
        p99_share=p99 / data_bytes,
        max_share=most / data_bytes,
        consumer_idle_share=idle,
    )


def measured(raw: Cost, records: Records, *, delivered: int, attempted: int) -> Cost:
    """Return ``raw``, completed from the records and the ledger's counts of them."""
    return replace(
        raw,
        delivered=delivered,
        attempted=attempted,
        delivery_ns=_all_delivered_ns(records),
        record_ns=per_record_ns(records),
        steady_exit_ns=exit_ns(records),
        steady_delivery_ns=delivery_ns(records),
    )


def _all_delivered_ns(records: Records) -> int:
    """Return the time from the first kernel timestamp to the last delivery."""
    if not len(records):
        return 0
    return int(records["delivered_ns"][-1]) - int(records["timestamp_ns"].min())


def per_record_ns(records: Records) -> float | None:
    """Return the median over exits of the mean ns between their records.

    An exit of the storm counts if it has two records or more and all were delivered; None without
    any. A lost record at an exit's very end goes unnoticed and changes nothing.
    """
    paces = [_of_cpu(records[records["cpu"] == cpu]) for cpu in np.unique(records["cpu"])]
    found = np.concatenate(paces) if paces else np.empty(0)
    return float(np.median(found)) if len(found) else None


def _of_cpu(records: Records) -> Floats:
    """Return the means of one CPU, whose records come in the order of their numbers."""
    first = np.flatnonzero((records["flags"] & Flag.REPEAT) == 0)
    last = np.append(first[1:], len(records))[: len(first)] - 1
    spans = (last - first).astype(np.int64)
    numbers = records["sequence"].astype(np.int64)
    whole = (spans > 0) & (numbers[last] - numbers[first] == spans)
    whole &= (records["flags"][first] & Flag.OWN) != 0
    times_ns = records["timestamp_ns"].astype(np.int64)
    passed_ns: Floats = (times_ns[last] - times_ns[first])[whole] / spans[whole]
    return passed_ns


def exit_ns(records: Records) -> float | None:
    """Return the ns from one exit of the storm to the next; None if there are too few.

    By the kernel's stamps of the exits that were delivered: meaningful where none was dropped.
    """
    exits = np.flatnonzero((records["flags"] & (Flag.OWN | Flag.REPEAT)) == Flag.OWN)
    every = max(1, len(exits) // _MOST)
    spacing_ns = _spacing(np.sort(records["timestamp_ns"][exits[::every]]))
    return None if spacing_ns is None else spacing_ns / every


def delivery_ns(records: Records) -> float | None:
    """Return the ns from one delivery to the next; None if there are too few."""
    return _spacing(records["delivered_ns"])


def _spacing(times_ns: npt.NDArray[np.uint64]) -> float | None:
    """Return the mean step of ascending times in their middle."""
    if len(times_ns) < _FEWEST:
        return None
    cut = len(times_ns) // _LEFT_OUT
    passed_ns = int(times_ns[-1 - cut]) - int(times_ns[cut])
    return passed_ns / (len(times_ns) - 1 - 2 * cut)
