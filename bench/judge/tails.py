# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare tails of latency in a duet: quantiles of all storms' records together.

One storm has too few slow records for a 99th percentile of its own: the ratio of such percentiles
is mostly noise. Storms are resampled as a whole, as the records of one are not independent.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from bench.judge import sequential
from bench.judge.statistics import SEED, Estimate
from bench.measure.bins import Bins, highest_ns
from bench.measure.columns import Floats

QUANTILES: Final = {"latency_p90_ns": 0.9, "latency_p99_ns": 0.99, "latency_p999_ns": 0.999}

_RESAMPLES: Final = 1_999
_SPLIT: Final = 64  # parts of the resamples: one of them is in memory, most of it in a cache


class Tail(NamedTuple):
    """A quantile of both arms' pooled latencies."""

    estimate: Estimate  # the first arm's over the second's
    second_ns: float


def tails(first: Bins, second: Bins) -> dict[str, Tail]:
    """Compare the quantiles of two arms, of each the histograms of the same storms.

    Intervals hold however many storms were run: their width is that of a mean of as many values
    that would scatter as the bootstrap over storms does. ValueError where an arm has none.
    """
    storms = len(first.sizes)
    draws = np.random.default_rng(SEED).multinomial(storms, [1 / storms] * storms, _RESAMPLES)
    weights = np.vstack([np.ones((1, storms)), draws])  # first as it was, then resampled
    of_first, of_second = (_quantiles(weights, each) for each in (first, second))
    return {key: _tail(of_first[key], of_second[key], storms) for key in QUANTILES}


def _tail(first: Floats, second: Floats, storms: int) -> Tail:
    logs = np.log(first / second)
    deviation = float(logs[1:].std()) * storms / max(storms - 1, 1) ** 0.5
    return Tail(
        estimate=sequential.from_normal(float(logs[0]), deviation, storms),
        second_ns=float(second[0]),
    )


def _quantiles(weights: Floats, bins: Bins) -> dict[str, Floats]:
    """Return the quantiles, in ns, of the storms weighted by each row of ``weights``."""
    from scipy.sparse import csr_array

    starts = np.concatenate(([0], np.cumsum(bins.sizes)))
    occupied, places = np.unique(bins.bins, return_inverse=True)
    shape = (len(bins.sizes), len(occupied))
    counts = csr_array((bins.counts.astype(np.float64), places, starts), shape=shape)
    values_ns = np.maximum(1.0, np.fromiter(highest_ns(occupied), np.float64))
    found = [_reached(rows @ counts, values_ns) for rows in np.array_split(weights, _SPLIT)]
    return {key: np.concatenate([each[key] for each in found]) for key in QUANTILES}


def _reached(counts: Floats, values_ns: Floats) -> dict[str, Floats]:
    np.cumsum(counts, axis=1, out=counts)
    return {
        key: values_ns[[np.searchsorted(row, quantile * row[-1] - 1e-6) for row in counts]]
        for key, quantile in QUANTILES.items()
    }
