# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Pace: kernel ns from one record of an exit to the next, by the records' own timestamps.

A mean over all of a trial's BPF runs, which is what the kernel's statistics give, has every
interrupt and every stolen millisecond in it, and a trial's runs together take but a few
milliseconds. The median over exits has none of that, as long as fewer than half were interrupted.
Nor has it what fewer than half pay: those that write while another CPU does.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.record.records import Flag, Records


def per_record_ns(records: Records) -> float | None:
    """Return the median over exits of the mean ns between their records.

    Only exits of the storm whose records, two at least, were all delivered count; None if there
    are left out. A lost record at an exit's very end goes unnoticed and changes nothing.
    """
    paces = [_of_cpu(records[records["cpu"] == cpu]) for cpu in np.unique(records["cpu"])]
    found = np.concatenate(paces) if paces else np.empty(0)
    return float(np.median(found)) if len(found) else None


def _of_cpu(records: Records) -> npt.NDArray[np.float64]:
    """Return the means of one CPU, whose records come in the order of their numbers."""
    first = np.flatnonzero((records["flags"] & Flag.REPEAT) == 0)
    last = np.append(first[1:], len(records))[: len(first)] - 1
    spans = (last - first).astype(np.int64)
    numbers = records["sequence"].astype(np.int64)
    whole = (spans > 0) & (numbers[last] - numbers[first] == spans)
    whole &= (records["flags"][first] & Flag.OWN) != 0
    times_ns = records["timestamp_ns"].astype(np.int64)
    passed_ns: npt.NDArray[np.float64] = (times_ns[last] - times_ns[first])[whole] / spans[whole]
    return passed_ns
