# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure ns from record to record of one exit, from exit to exit, from delivery to delivery.

A mean over all of a trial's BPF runs, which is what the kernel's statistics give, has every
interrupt and every stolen millisecond in it, and a trial's runs together take but a few
milliseconds. The median over exits has none of that, as long as fewer than half were interrupted.
Nor has it what fewer than half pay: those that write while another CPU does.

Exits and deliveries are those of the storm's steady middle. Workers do not start and stop at once,
the consumer sleeps at first, and the last records are read after the storm: a tenth of the events
at either end is left out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bench.record.records import Flag, Records

_LEFT_OUT: Final = 10  # the n-th part of the events, at either end
_FEWEST: Final = 100
"""With fewer events the middle is decided by single ones."""

_MOST: Final = 1 << 16  # exits that are sorted: of more, every n-th


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


def exit_ns(records: Records) -> float | None:
    """Return the ns from one exit of the storm to the next; None of too few.

    By the kernel's stamps of the exits that were delivered: meaningful where none was dropped.
    """
    exits = np.flatnonzero((records["flags"] & (Flag.OWN | Flag.REPEAT)) == Flag.OWN)
    every = max(1, len(exits) // _MOST)
    spacing_ns = _spacing(np.sort(records["timestamp_ns"][exits[::every]]))
    return None if spacing_ns is None else spacing_ns / every


def delivery_ns(records: Records) -> float | None:
    """Return the ns from one delivery to the next; None of too few."""
    return _spacing(records["delivered_ns"])


def _spacing(times_ns: npt.NDArray[np.uint64]) -> float | None:
    """Return the mean step of ascending times in their middle."""
    if len(times_ns) < _FEWEST:
        return None
    cut = len(times_ns) // _LEFT_OUT
    passed_ns = int(times_ns[-1 - cut]) - int(times_ns[cut])
    return passed_ns / (len(times_ns) - 1 - 2 * cut)
