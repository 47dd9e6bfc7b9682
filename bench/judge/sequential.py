# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compute intervals that hold however often one looks: a run may end once they are narrow.

A confidence sequence for the mean of normal values of unknown variance: T. L. Lai, "On confidence
sequences", Annals of Statistics 4 (1976); H. Wang and A. Ramdas, "Anytime-valid t-tests and
confidence sequences for Gaussian means with unknown variance", Sequential Analysis 44 (2025). It
inverts the Bayes factor of a t test with a normal prior on the effect size, a martingale if there
is no effect, by Ville's inequality.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf, sqrt
from typing import Final

import numpy as np

from bench.judge.statistics import Estimate, Scale, Values
from bench.measure.columns import Floats

ALPHA: Final = 0.05
_SHARPEST_AT: Final = 16
"""Values at which the interval is as narrow as it can be; it holds at any number."""

_PRIOR: Final = 8 / _SHARPEST_AT  # variance of the effect size
_LEAST_ERROR: Final = 0.002  # of a log: bins of a histogram are up to half as wide


def half_width(deviation: float, count: int) -> float:
    """Return the half width after ``count`` values of this standard deviation; inf if too few.

    With k = 1 + count x prior the Bayes factor of t is (k ** -0.5) x ((1 + t²/v) / (1 + t²/vk)) **
    (count / 2), v = count - 1; those means are in for which it stays below 1 / ALPHA.
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

    Its interval and p hold however many storms were run, and why ever no more were. ``errors``:
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
    (1986): what values differ by beyond their errors is the storms' own, and makes weights even.
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
