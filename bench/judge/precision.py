# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How precisely one storm gives a number, by its own histogram.

Storms differ a hundredfold: where a storm's latencies have two humps and the median lies between
them, a handful of records moves it by a tenth.
"""

from __future__ import annotations

from functools import lru_cache
from math import hypot, log, sqrt

from bench.measure.latency import percentiles_of
from bench.trial.result import TrialResult

_FEWEST = 16
"""Values below which a histogram does not say how they scatter."""


def ratio_error(key: str, first: TrialResult, second: TrialResult) -> float | None:
    """Return the standard error of the log of first over second; None if it is not known."""
    errors = [_error(key, each) for each in (first, second)]
    known = [each for each in errors if each is not None]
    return hypot(*known) if len(known) == len(errors) else None


def _error(key: str, trial: TrialResult) -> float | None:
    if key == "latency_p50_ns" and trial.latency and trial.latency.count >= _FEWEST:
        return _median_error(trial.latency.histogram, trial.latency.count)
    if key == "write_ns" and trial.write and trial.write.written >= _FEWEST:
        return trial.write.write_error
    return None


@lru_cache(maxsize=1024)
def _median_error(histogram: str, count: int) -> float:
    """Return half the way, in logs, between the ranks one standard deviation off the median."""
    off = 0.5 / sqrt(count)
    low, high = percentiles_of(histogram, (0.5 - off, 0.5 + off))
    return log(max(high, 1) / max(low, 1)) / 2
