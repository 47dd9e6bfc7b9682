# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare two arms within one storm: whose records came later, and whether by chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.measure.columns import percentiles
from bench.plan.config import AGES, Duet
from bench.record.records import Flag, Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Rank latencies of the first arm against the second's, within the storm.

    Under no difference the assignment, a fair coin for each unit, is all that decides the signs of
    ``rank_sum``: its mean is then 0 and its variance ``rank_variance``, exactly, however the
    records depend on one another. Both are summed over storms.
    """

    later_share: float  # P(a record of the first arm is later than one of the second), ties halved
    rank_sum: float  # over units: centred ranks, of the second arm's with the sign changed
    rank_variance: float
    units: int  # processes or windows that were assigned


def split(records: Records, *, swapped: bool = False) -> tuple[Records, Records]:
    """Return the records of the first arm and of the second, each in the order of delivery.

    ``swapped``: those of the first arm carry the flag.
    """
    second = ((records["flags"] & Flag.SECOND) != 0) != swapped
    return records[~second], records[second]


def kept(records: Records, rule: Duet) -> Records:
    """Return the records without those stamped in the washout of a window."""
    if not rule.washout_ns:
        return records
    return records[records["timestamp_ns"] % np.uint64(rule.window_ns) >= rule.washout_ns]


def latency_by_age(records: Records, rule: Duet) -> tuple[tuple[int, int], ...]:
    """Return count and median latency in ns of each part of all windows, washout included.

    The median is nearest-rank; 0 of none.
    """
    if not rule.window_ns:
        return ()
    window_ns = np.uint64(rule.window_ns)
    ages = records["timestamp_ns"] % window_ns * np.uint64(AGES) // window_ns
    latencies = records["delivered_ns"] - records["timestamp_ns"]
    parts = (latencies[ages == age] for age in range(AGES))
    return tuple((len(part), percentiles(part, (500,))[0]) for part in parts)


def ranks(first: Records, second: Records, rule: Duet) -> Ranks | None:
    """Rank the latencies of two arms within one storm; None if an arm has no record."""
    if not len(first) or not len(second):
        return None
    both = np.concatenate([first, second])
    latencies = both["delivered_ns"] - both["timestamp_ns"]
    ascending = np.sort(latencies, kind="stable")
    low, high = (np.searchsorted(ascending, latencies, side) for side in ("left", "right"))
    ranked = (low + high + 1) / 2  # of ties the mean
    later = ranked[: len(first)].sum() - len(first) * (len(first) + 1) / 2
    sign = np.repeat([1.0, -1.0], [len(first), len(second)])
    # Not by argsort, as np.unique would: an emulated CPU (QEMU's AVX2) crashes in numpy's.
    assigned = both["pid"]
    if rule.window_ns:  # windows in pairs, not processes
        assigned = both["timestamp_ns"] // np.uint64(2 * rule.window_ns)
    ascending = np.sort(assigned, kind="stable")
    units = ascending[np.append(True, ascending[1:] != ascending[:-1])]
    unit = np.searchsorted(units, assigned)
    sums = np.bincount(unit, weights=(ranked - ranked.mean()) * sign, minlength=len(units))
    return Ranks(
        later_share=float(later / (len(first) * len(second))),
        rank_sum=float(sums.sum()),
        rank_variance=float(np.square(sums).sum()),
        units=len(units),
    )
