# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare arms within the storms of a duet: intervals, weights of storms, and tails.

Intervals hold however often one looks, so that a run may end once they are narrow. They are a
confidence sequence for the mean of normal values of unknown variance: T. L. Lai, "On confidence
sequences", Annals of Statistics 4 (1976); H. Wang and A. Ramdas, "Anytime-valid t-tests and
confidence sequences for Gaussian means with unknown variance", Sequential Analysis 44 (2025). It
inverts the Bayes factor of a t test with a normal prior on the effect size, a martingale if there
is no effect, by Ville's inequality.

Storms differ a hundredfold in precision: where a storm's latencies have two humps and the median
lies between them, a handful of records moves it by a tenth. Where a consumer waits for a CPU
through whole windows, a window carries hardly more information than one of its records. So for
medians storms are weighted by the error that their histogram and the ranks of their units give. For
means all weigh alike: a few slow writes raise a storm's mean and its error together, and storms
that happen to have none would count most, so that up to half of the cost of an arm's slow writes
would go unseen.

For tails one storm has too few records: the ratio of its 99th percentiles is mostly noise. Tails
are quantiles of the records of all storms together. Whole storms are resampled, as the records of
one storm are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, inf, log, sqrt
from typing import Final, NamedTuple

import numpy as np

from bench.judge.statistics import SEED, Estimate, Scale, Values
from bench.measure.bins import Bins, highest_ns, percentiles
from bench.measure.columns import Floats
from bench.measure.duet import Ranks
from bench.trial.result import TrialResult

ALPHA: Final = 0.05
_SHARPEST_AT: Final = 16
"""Number of values at which the interval is narrowest; it holds at any number."""

_PRIOR: Final = 8 / _SHARPEST_AT  # variance of the effect size
_LEAST_ERROR: Final = 0.002  # of a log: bins of a histogram are up to half as wide
_FEWEST: Final = 16
"""With fewer values, or fewer assigned units, their scatter is unknown."""

QUANTILES: Final = {"latency_p90_ns": 0.9, "latency_p99_ns": 0.99, "latency_p999_ns": 0.999}

_RESAMPLES: Final = 1_999
_SPLIT: Final = 64  # parts of the resamples: one of them is in memory, most of it in a cache


def half_width(deviation: float, count: int) -> float:
    """Return the half width after ``count`` values of this standard deviation; inf if too few.

    With k = 1 + count x prior the Bayes factor of t is (k ** -0.5) x ((1 + t²/v) / (1 + t²/vk)) **
    (count / 2), v = count - 1; the interval has the means for which it stays below 1 / ALPHA.
    """
    if count < 2:
        return inf
    scale = 1 + count * _PRIOR
    bound = (sqrt(scale) / ALPHA) ** (2 / count)
    if bound >= scale:
        return inf
    return deviation * sqrt((count - 1) * (bound - 1) / (1 - bound / scale) / count)


def paired_ratio(left: Values, right: Values, errors: Sequence[float | None] = ()) -> Estimate:
    """Return the geometric mean of left over right, one pair a storm: at least one, all above 0.

    Its interval and p hold however many storms were run, and whatever ended the run. ``errors``:
    the standard error of each log ratio by what happened within its storm; storms weigh by it.
    """
    logs = np.log(np.asarray(left, np.float64)) - np.log(np.asarray(right, np.float64))
    known = np.array([each for each in errors if each is not None], np.float64)
    even = len(known) < len(logs) or not np.isfinite(known).all()
    weights = np.ones(len(logs)) if even else _weights(logs, known)
    centre = float(np.average(logs, weights=weights))
    squared = np.average(np.square(logs - centre), weights=weights)
    deviation = sqrt(squared * len(logs) / (len(logs) - 1)) if len(logs) > 1 else 0.0
    return from_normal(centre, deviation, len(logs))


def from_normal(centre: float, deviation: float, count: int) -> Estimate:
    """Return a ratio whose log was estimated by the mean of ``count`` values, one a storm."""
    half = half_width(deviation, count)
    low, high = (exp(centre - half), exp(centre + half)) if half < inf else (0.0, inf)
    return Estimate(
        scale=Scale.RATIO,
        point=exp(centre),
        low=low,
        high=high,
        blocks=count,
        p=_p(centre, deviation, count),
    )


def _weights(values: Floats, errors: Floats) -> Floats:
    """Return how much each value counts in a random-effects mean.

    R. DerSimonian and N. Laird, "Meta-analysis in clinical trials", Controlled Clinical Trials 7
    (1986): variance beyond the errors lies between storms, and evens out the weights.
    """
    squares = np.square(np.maximum(errors, _LEAST_ERROR))
    fixed = 1 / squares
    total = fixed.sum()
    beyond = (fixed * np.square(values - np.average(values, weights=fixed))).sum()
    freed = total - np.square(fixed).sum() / total
    between = max(0.0, beyond - (len(values) - 1)) / freed if freed > 0 else 0.0
    weights: Floats = 1 / (squares + between)
    return weights


def _p(centre: float, deviation: float, count: int) -> float:
    """Return the p of no difference: the inverse of the Bayes factor, by Ville's inequality."""
    if count < 2 or centre == 0:
        return 1.0
    if deviation == 0:
        return 0.0
    squared = count * centre**2 / deviation**2 / (count - 1)
    scale = 1 + count * _PRIOR
    return float(min(1.0, sqrt(scale) * ((1 + squared / scale) / (1 + squared)) ** (count / 2)))


def latency_error(trial: TrialResult) -> float | None:
    """Return the standard error of the log of the median latency; None if unknown."""
    found, half = trial.latency, trial.half
    if found is None or found.count < _FEWEST:
        return None
    if half is None or half.ranks is None:
        return _median_error(found.histogram, found.count)
    if half.ranks.units < _FEWEST:
        return None
    return _median_error(found.histogram, found.count / _design_effect(half.ranks, found.count))


ERRORS: Final = {"latency_p50_ns": latency_error}
"""Numbers whose error a trial knows, by their key."""


def _design_effect(ranks: Ranks, count: int) -> float:
    """Return how many records, of ``count`` in each arm, are worth one independent record.

    L. Kish, "Survey Sampling" (1965): the variance of what units sum up to, here the signed ranks
    of those that were assigned together, over that of as many independent records. Neighbouring
    windows have opposite signs, so that what affects both cancels out.
    """
    scatter = (ranks.rank_variance - ranks.rank_sum**2 / ranks.units) / (1 - 1 / ranks.units)
    both = 2 * count
    return max(scatter / (both * (both**2 - 1) / 12), 1 / count)


@lru_cache(maxsize=1024)
def _median_error(histogram: str, count: float) -> float:
    """Return half the log distance between the ranks one standard deviation off the median."""
    off = min(0.5 / sqrt(count), 0.5)
    low, high = percentiles(Bins.of([histogram]), (0.5 - off, 0.5 + off))
    return log(max(high, 1) / max(low, 1)) / 2


class Tail(NamedTuple):
    """Hold a quantile of both arms' pooled latencies."""

    estimate: Estimate  # the first arm's over the second's
    second_ns: float


def tails(first: Bins, second: Bins) -> dict[str, Tail]:
    """Compare the quantiles of two arms, given the histograms of each for the same storms.

    Intervals hold however many storms were run: their width is that of a mean of as many values
    that would scatter as the bootstrap over storms does. ValueError where an arm has none.
    """
    storms = len(first.sizes)
    draws = np.random.default_rng(SEED).multinomial(storms, [1 / storms] * storms, _RESAMPLES)
    weights = np.vstack([np.ones((1, storms)), draws])  # the original first, then resamples
    of_first, of_second = (_quantiles(weights, each) for each in (first, second))
    found = {}
    for key in QUANTILES:
        logs = np.log(of_first[key] / of_second[key])
        deviation = float(logs[1:].std()) * storms / max(storms - 1, 1) ** 0.5
        estimate = from_normal(float(logs[0]), deviation, storms)
        found[key] = Tail(estimate=estimate, second_ns=float(of_second[key][0]))
    return found


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
