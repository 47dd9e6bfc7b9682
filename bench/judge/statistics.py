# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Paired estimates with bootstrap intervals, bounds for loss probabilities, Holm's correction.

scipy takes over a second to import, so it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

FEWEST_BLOCKS: Final = 8
"""With fewer there is an interval at best, and no verdict."""

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 4_999
_SEED: Final = 20_200_601  # any: the same journal has to give the same interval every time


class Scale(StrEnum):
    """What an estimate is."""

    RATIO = "ratio"  # left over right; 1 is equal
    DIFFERENCE = "difference"  # left minus right; 0 is equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How left compares with right, with the bounds of its 95 % interval."""

    scale: Scale
    point: float
    low: float
    high: float
    blocks: int  # paired blocks that it rests on
    p: float  # two-sided, of no difference at all; not below 2 / (RESAMPLES + 1)


def _interval(
    values: npt.NDArray[np.float64], *, mean: bool = False
) -> tuple[float, float, float, float]:
    """Point, low, high and p of the median (or mean) of paired values."""
    statistic = np.mean if mean else np.median
    point = float(statistic(values))
    if len(values) < 2 or np.ptp(values) == 0:  # nothing to resample: all blocks agree
        alone = point == 0 or len(values) < 2
        return point, point, point, 1.0 if alone else 2 / (RESAMPLES + 1)
    from scipy.stats import bootstrap

    # Percentile, not BCa: with few blocks the jackknife of a median is zero or undefined.
    result = bootstrap(
        (values,),
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    )
    resampled = result.bootstrap_distribution
    tail = min(int(np.count_nonzero(resampled <= 0)), int(np.count_nonzero(resampled >= 0)))
    p = min(1.0, 2 * (tail + 1) / (RESAMPLES + 1))
    return point, float(result.confidence_interval.low), float(result.confidence_interval.high), p


def paired_ratio(left: Sequence[float], right: Sequence[float]) -> Estimate:
    """Median of left over right within blocks. All values have to be above 0, and at least one."""
    logs = np.log(np.asarray(left, np.float64)) - np.log(np.asarray(right, np.float64))
    point, low, high, p = _interval(logs)
    return Estimate(
        scale=Scale.RATIO,
        point=float(np.exp(point)),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        blocks=len(logs),
        p=p,
    )


def paired_difference(
    left: Sequence[float], right: Sequence[float], *, mean: bool = False
) -> Estimate:
    """Median (or mean) of left minus right within blocks, of at least one.

    Proportions take the mean, so that a loss in one block of many still counts; 0 against 0
    throughout is a difference of exactly 0 with p = 1.
    """
    differences = np.asarray(left, np.float64) - np.asarray(right, np.float64)
    point, low, high, p = _interval(differences, mean=mean)
    return Estimate(
        scale=Scale.DIFFERENCE, point=point, low=low, high=high, blocks=len(differences), p=p
    )


def loss_bound(lossy: int, trials: int) -> float:
    """Upper one-sided 95 % bound (Clopper-Pearson) of the probability that a trial loses.

    0 of 20 give 0.139. ValueError unless 0 <= lossy <= trials and trials > 0.
    """
    if not 0 <= lossy <= trials or trials == 0:
        raise ValueError(f"{lossy} of {trials} trials is no proportion")
    if lossy == trials:
        return 1.0
    from scipy.stats import beta

    return float(beta.ppf(CONFIDENCE, lossy + 1, trials - lossy))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p values adjusted by Holm's step-down procedure, in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    ascending = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for rank, index in enumerate(ascending):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)
