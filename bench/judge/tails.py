# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Tails of latency within the storms of a duet: quantiles of all storms' records together.

One storm has too few slow records for a 99th percentile of its own: the ratio of such percentiles
is mostly noise. Storms are resampled as a whole, as the records of one are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.judge import sequential
from bench.judge.statistics import SEED, Estimate
from bench.measure.latency import decode

QUANTILES: Final = {"latency_p90_ns": 0.9, "latency_p99_ns": 0.99, "latency_p999_ns": 0.999}

_RESAMPLES: Final = 1_999

Counts = npt.NDArray[np.float64]


class Tail(NamedTuple):
    """A quantile of both arms' pooled latencies."""

    estimate: Estimate  # the first arm's over the second's
    second_ns: float


@lru_cache(maxsize=64)
def tails(first: tuple[str, ...], second: tuple[str, ...]) -> dict[str, Tail]:
    """Compare the quantiles of two arms, of each the histograms (``Latency``) of the same storms.

    Intervals hold however many storms were run: their width is that of a mean of as many values
    that would scatter as the bootstrap over storms does. JournalError if a histogram cannot be
    decoded, ValueError where an arm has none.
    """
    storms = len(first)
    draws = np.random.default_rng(SEED).multinomial(storms, [1 / storms] * storms, _RESAMPLES)
    weights = np.vstack([np.ones((1, storms)), draws])  # first as it was, then resampled
    of_first, of_second = (_quantiles(weights, each) for each in (first, second))
    return {key: _tail(of_first[key], of_second[key], storms) for key in QUANTILES}


def _tail(first: Counts, second: Counts, storms: int) -> Tail:
    logs = np.log(first / second)
    deviation = float(logs[1:].std()) * storms / max(storms - 1, 1) ** 0.5
    return Tail(
        estimate=sequential.from_normal(float(logs[0]), deviation, storms),
        second_ns=float(second[0]),
    )


def _quantiles(weights: Counts, histograms: Sequence[str]) -> dict[str, Counts]:
    """Return the quantiles, in ns, of the storms weighted by each row of ``weights``."""
    decoded = [decode(each) for each in histograms]
    counts = np.array([np.frombuffer(each.counts, np.int64) for each in decoded], np.float64)
    occupied = np.flatnonzero(counts.any(axis=0))
    first = decoded[0]
    values_ns = np.array(
        [
            max(1, first.get_highest_equivalent_value(first.get_value_from_index(index)))
            for index in occupied.tolist()
        ],
        np.float64,
    )
    reached = np.cumsum(weights @ counts[:, occupied], axis=1)
    return {
        key: values_ns[np.argmax(reached >= quantile * reached[:, -1:] - 1e-6, axis=1)]
        for key, quantile in QUANTILES.items()
    }
