# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Intervals that hold however often one looks, so that a run may end when they are narrow.

A confidence sequence for the mean of normal values of unknown variance: T. L. Lai, "On confidence
sequences", Annals of Statistics 4 (1976); H. Wang and A. Ramdas, "Anytime-valid t-tests and
confidence sequences for Gaussian means with unknown variance", Sequential Analysis 44 (2025). It
inverts the Bayes factor of a t test with a normal prior on the effect size, a martingale if there
is no effect, by Ville's inequality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, log1p, sqrt
from typing import Final

import numpy as np

ALPHA: Final = 0.05
_SHARPEST_AT: Final = 24
"""Values at which the interval is as narrow as it can be; it holds at any number."""

_PRIOR: Final = 8 / _SHARPEST_AT  # variance of the effect size


class Verdict(StrEnum):
    """What an interval of ratios says of the first side against the second."""

    LESS = "less"
    MORE = "more"
    EQUIVALENT = "equivalent"  # the whole interval lies within the margin
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio over storms, first over second: its geometric mean, with its interval."""

    ratio: float
    low: float
    high: float
    storms: int

    @property
    def resolvable(self) -> float:
        """The smallest difference that could have been seen, as a share: half the interval."""
        return sqrt(self.high / self.low) - 1 if self.low > 0 else inf

    def verdict(self, margin: float) -> Verdict:
        """Judge it, with ``margin`` as a share: 0.02 is from 1/1.02 to 1.02."""
        if 1 / (1 + margin) <= self.low and self.high <= 1 + margin:
            return Verdict.EQUIVALENT
        if self.high < 1:
            return Verdict.LESS
        return Verdict.MORE if self.low > 1 else Verdict.UNDECIDED


def half_width(deviation: float, count: int, alpha: float = ALPHA) -> float:
    """Return the half width after ``count`` values of this standard deviation; inf if too few.

    With k = 1 + count x prior the Bayes factor of t is (k ** -0.5) x ((1 + t²/v) / (1 + t²/vk)) **
    (count / 2), v = count - 1; those means are in for which it stays below 1 / alpha.
    """
    if count < 2:
        return inf
    scale = 1 + count * _PRIOR
    bound = (sqrt(scale) / alpha) ** (2 / count)
    if bound >= scale:
        return inf
    return deviation * sqrt((count - 1) * (bound - 1) / (1 - bound / scale) / count)


def ratio(ratios: Sequence[float], alpha: float = ALPHA) -> Ratio | None:
    """Return the ratio that these, one a storm, give; None without any above 0."""
    logs = np.log([each for each in ratios if each > 0])
    if not len(logs):
        return None
    centre = float(logs.mean())
    half = half_width(float(logs.std(ddof=1)) if len(logs) > 1 else 0.0, len(logs), alpha)
    low, high = (exp(centre - half), exp(centre + half)) if half < inf else (0.0, inf)
    return Ratio(ratio=exp(centre), low=low, high=high, storms=len(logs))


def narrow(found: Ratio, precision: float) -> bool:
    """Return whether the interval reaches no farther than ``precision`` from its centre."""
    return found.low > 0 and sqrt(found.high / found.low) <= exp(log1p(precision))
