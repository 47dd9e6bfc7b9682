# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Estimate how precisely one storm gives a number, by its histogram and the ranks of its units.

Storms differ a hundredfold: where a storm's latencies have two humps and the median lies between
them, a handful of records moves it by a tenth. Where a consumer waits for a CPU through whole
windows, a window says hardly more than one of its records does.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, sqrt
from typing import Final

from bench.measure.bins import Bins, percentiles
from bench.measure.duet import Ranks
from bench.trial.result import TrialResult

_FEWEST: Final = 16
"""Values, or units that were assigned, below which it is not known how they scatter."""


def latency_error(trial: TrialResult) -> float | None:
    """Return the standard error of the log of the median latency; None if it is not known."""
    found, half = trial.latency, trial.half
    if found is None or found.count < _FEWEST:
        return None
    if half is None or half.ranks is None:
        return _median_error(found.histogram, found.count)
    if half.ranks.units < _FEWEST:
        return None
    return _median_error(found.histogram, found.count / _design_effect(half.ranks, found.count))


def write_error(trial: TrialResult) -> float | None:
    """Return the standard error of the log of the time of a write; None if it is not known."""
    if trial.write is None or trial.write.written < _FEWEST:
        return None
    return trial.write.write_error


ERRORS: Final = {"latency_p50_ns": latency_error, "write_ns": write_error}
"""Numbers whose error a trial knows, by their key."""


def _design_effect(ranks: Ranks, count: int) -> float:
    """Return how many records, of ``count`` in each arm, say as much as one alone would.

    L. Kish, "Survey Sampling" (1965): the variance of what units sum up to, here the signed ranks
    of those that were assigned together, over that of as many independent records. Neighbouring
    windows have opposite signs, so that what falls on both cancels out.
    """
    scatter = (ranks.rank_variance - ranks.rank_sum**2 / ranks.units) / (1 - 1 / ranks.units)
    both = 2 * count
    return max(scatter / (both * (both**2 - 1) / 12), 1 / count)


@lru_cache(maxsize=1024)
def _median_error(histogram: str, count: float) -> float:
    """Return half the way, in logs, between the ranks one standard deviation off the median."""
    off = min(0.5 / sqrt(count), 0.5)
    low, high = percentiles(Bins.of([histogram]), (0.5 - off, 0.5 + off))
    return log(max(high, 1) / max(low, 1)) / 2
