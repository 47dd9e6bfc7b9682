# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Combine effects by random-effects meta-analysis: one per machine, each with its own error.

Absolute times of two machines are never compared; effects between the arms of each are. Sources:
variance between machines by R. C. Paule and J. Mandel, "Consensus values and weighting factors",
J. Res. NBS 87 (1982); the mean's interval by G. Knapp and J. Hartung, Statistics in Medicine 22
(2003), never narrower than without their factor; that of the next machine by J. P. T. Higgins, S.
G. Thompson and D. J. Spiegelhalter, JRSS A 172 (2009); I² by Higgins and Thompson (2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from bench.judge.statistics import holm

LEVEL: Final = 0.05
FEWEST: Final = 3
"""With fewer machines the next one cannot be predicted."""

_Z: Final = 1.959964  # of the machines' intervals

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Effect:
    """Hold the effect on one machine; for a ratio, its logarithm."""

    centre: float
    error: float  # standard, above 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """Hold the effect over all machines; for a ratio, logarithms."""

    machines: int
    centre: float
    error: float
    low: float
    high: float
    between: float  # standard deviation of the true effects over machines
    inconsistency: float  # I²: the share of their differences that is not chance
    next_low: float  # range of the next machine's true effect; -inf: too few machines
    next_high: float


def effect(point: float, low: float, high: float, *, least_error: float) -> Effect:
    """Return a machine's effect from its 95 % interval."""
    return Effect(point, max((high - low) / (2 * _Z), least_error))


def pool(effects: Sequence[Effect]) -> Pooled:
    """Pool the effects of at least one machine."""
    values, variances = _arrays(effects)
    count = len(values)
    between = _between(values, variances)
    weights = 1 / (variances + between)
    centre, error = _mean(values, weights)
    half = stats.t.ppf(1 - LEVEL / 2, count - 1) * error if count > 1 else _Z * error
    fixed = 1 / variances
    chance = float(np.sum(fixed * (values - np.average(values, weights=fixed)) ** 2))
    reach = inf
    if count >= FEWEST:
        quantile = stats.t.ppf(1 - LEVEL / 2, count - 2)
        reach = float(quantile * sqrt(between + error**2))
    return Pooled(
        machines=count,
        centre=centre,
        error=error,
        low=centre - float(half),
        high=centre + float(half),
        between=sqrt(between),
        inconsistency=max(0.0, 1 - (count - 1) / chance) if chance > 0 else 0.0,
        next_low=centre - reach,
        next_high=centre + reach,
    )


def apart(effects: Sequence[Effect]) -> list[int]:
    """Return the indices of machines whose effect is unlike that of all the others.

    Each is compared with the others' prediction for a next machine; corrected over all (Holm).
    """
    if len(effects) <= FEWEST:
        return []
    values, variances = _arrays(effects)
    p = []
    for place in range(len(values)):
        others = np.arange(len(values)) != place
        between = _between(values[others], variances[others])
        centre, error = _mean(values[others], 1 / (variances[others] + between))
        deviation = sqrt(between + error**2 + variances[place])
        p.append(float(2 * stats.t.sf(abs(values[place] - centre) / deviation, len(values) - 3)))
    return [place for place, adjusted in enumerate(holm(p)) if adjusted < LEVEL]


def difference(those: Sequence[Effect], others: Sequence[Effect]) -> tuple[Pooled, Pooled, float]:
    """Return both groups pooled, and the p of equal means.

    Welch's t test of two random-effects means, each with its own variance between machines.
    """
    first, second = pool(those), pool(others)
    sides = ((p.centre, p.error * sqrt(p.machines), p.machines) for p in (first, second))
    test = stats.ttest_ind_from_stats(*chain.from_iterable(sides), equal_var=False)
    return first, second, float(test.pvalue)


def _arrays(effects: Sequence[Effect]) -> tuple[Floats, Floats]:
    values = np.array([each.centre for each in effects], np.float64)
    return values, np.array([each.error for each in effects], np.float64) ** 2


def _mean(values: Floats, weights: Floats) -> tuple[float, float]:
    """Return the weighted mean and its standard error, by Knapp and Hartung."""
    centre = float(np.average(values, weights=weights))
    plain = 1 / float(np.sum(weights))
    if len(values) < 2:
        return centre, sqrt(plain)
    factor = float(np.sum(weights * (values - centre) ** 2)) / (len(values) - 1)
    return centre, sqrt(plain * max(1.0, factor))


def _between(values: Floats, variances: Floats) -> float:
    """Return the variance between machines that leaves only chance to be explained."""
    if len(values) < 2:
        return 0.0

    def excess(between: float) -> float:
        weights = 1 / (variances + between)
        centre = np.average(values, weights=weights)
        return float(np.sum(weights * (values - centre) ** 2)) - (len(values) - 1)

    if excess(0.0) <= 0:
        return 0.0
    most = float(np.ptp(values)) ** 2
    return float(optimize.brentq(excess, 0.0, most, xtol=1e-12)) if excess(most) < 0 else most
