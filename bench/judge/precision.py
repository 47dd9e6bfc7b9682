# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How precisely one storm gives a number, by its own histogram.

Storms differ a hundredfold: where a storm's latencies have two humps and the median lies between
them, a handful of records moves it by a tenth.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, sqrt
from typing import Final

from bench.measure.bins import Bins, percentiles
from bench.trial.result import TrialResult

_FEWEST = 16
"""Values below which a histogram does not say how they scatter."""


def latency_error(trial: TrialResult) -> float | None:
    """Return the standard error of the log of the median latency; None if it is not known."""
    if trial.latency is None or trial.latency.count < _FEWEST:
        return None
    return _median_error(trial.latency.histogram, trial.latency.count)


def write_error(trial: TrialResult) -> float | None:
    """Return the standard error of the log of the time of a write; None if it is not known."""
    if trial.write is None or trial.write.written < _FEWEST:
        return None
    return trial.write.write_error


ERRORS: Final = {"latency_p50_ns": latency_error, "write_ns": write_error}
"""Numbers whose error a trial knows, by their key."""


@lru_cache(maxsize=1024)
def _median_error(histogram: str, count: int) -> float:
    """Return half the way, in logs, between the ranks one standard deviation off the median."""
    off = 0.5 / sqrt(count)
    low, high = percentiles(Bins.of([histogram]), (0.5 - off, 0.5 + off))
    return log(max(high, 1) / max(low, 1)) / 2
