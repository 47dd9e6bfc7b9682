# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Estimate from pairs with bootstrap intervals, bound loss probabilities, correct by Holm.

scipy takes long to import, so it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from math import inf, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.measure.columns import Floats

Values = Sequence[float] | Floats

FEWEST_BLOCKS: Final = 8
"""With fewer blocks there is an interval at best, and no verdict."""

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 4_999
_TAIL: Final = (1 - CONFIDENCE) / 2
SEED: Final = 20_200_601  # arbitrary: the same journal must always give the same interval


_KEPT: Final = 500  # values whose draws stay in memory: 20 MB
_FEW: Final = 100  # of more values, the middle one is taken to be a single one
_AT_ONCE: Final = 1_000_000  # draws


class Scale(StrEnum):
    """Name the scale of an estimate."""

    RATIO = "ratio"  # left over right; 1 is equal
    DIFFERENCE = "difference"  # left minus right; 0 is equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimate how left compares with right, with the bounds of the 95 % interval."""

    scale: Scale
    point: float
    low: float
    high: float
    blocks: int  # paired blocks behind it
    p: float  # two-sided, for no difference; a bootstrap's is at least 2 / (RESAMPLES + 1)

    @property
    def half_width(self) -> float:
        """Return half the interval: the smallest difference it could have distinguished from none.

        For a ratio, a share, or inf if it has no bound; for a difference, in its unit.
        """
        if self.scale is Scale.DIFFERENCE:
            return (self.high - self.low) / 2
        return sqrt(self.high / self.low) - 1 if self.low > 0 else inf


def _interval(values: Floats, *, mean: bool = False) -> Estimate:
    """Estimate the median (or mean) of paired differences."""
    point = float((np.mean if mean else np.median)(values))
    low, high, p = point, point, 1.0
    if len(values) >= 2 and np.ptp(values) == 0:  # nothing to resample: all blocks agree
        p = 1.0 if point == 0 else 2 / (RESAMPLES + 1)
    elif len(values) >= 2:
        # Percentile, not BCa: with few blocks the jackknife of a median is zero or undefined.
        low, high, tail = _of_means(values) if mean else _of_medians(values)
        p = min(1.0, 2 * (tail * RESAMPLES + 1) / (RESAMPLES + 1))
    return Estimate(
        scale=Scale.DIFFERENCE, point=point, low=low, high=high, blocks=len(values), p=p
    )


def _of_medians(values: Floats) -> tuple[float, float, float]:
    """Return the bounds of resampled medians, and the lesser share at or beyond 0.

    Resamples of a few values have few medians: the shares of these are known, and not drawn.
    """
    lower, upper, shares = _middle_ranks(len(values))
    ascending = np.sort(values)
    medians = (ascending[lower] + ascending[upper]) / 2
    order = np.argsort(medians)
    ordered, up_to = medians[order], np.cumsum(shares[order])
    low = ordered[np.searchsorted(up_to, _TAIL)]
    high = ordered[np.searchsorted(up_to, 1 - _TAIL, side="right")]
    tail = min(shares[medians <= 0].sum(), shares[medians >= 0].sum())
    return float(low), float(high), float(tail)


@cache
def _middle_ranks(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Return the ranks that the two middle values of a resample may have, and their shares.

    A resample of sorted values is a draw of ranks. The k-th smallest of n draws is at most rank i
    if k of them or more are: a binomial probability. An even number of draws has its middle values
    at ranks i < j if one half of the draws is at i or below, and touches it, and the other half is
    at j or above, and touches that.
    """
    from scipy.special import betainc, comb

    half, edges = count // 2, np.arange(count + 1) / count
    if count % 2 or count > _FEW:
        middle, ranks = (count + 1) / 2, np.arange(count)
        return ranks, ranks, np.diff(betainc(middle, middle, edges))
    lowest = np.diff(betainc(half, half + 1, edges))  # shares of the lower one
    touching = np.diff(edges**half)
    pairs = np.triu(comb(count, half) * np.outer(touching, touching[::-1]), 1)
    lower, upper = np.triu_indices(count)
    return lower, upper, (pairs + np.diag(lowest - pairs.sum(axis=1)))[lower, upper]


def _of_means(values: Floats) -> tuple[float, float, float]:
    """Return the bounds of resampled means, and the lesser share at or beyond 0."""
    means = _resampled_means(values)
    tail = min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0))
    return _between(means, _TAIL), _between(means, 1 - _TAIL), int(tail) / RESAMPLES


def _between(values: Floats, share: float) -> float:
    """Return np.quantile(values, share), in a fifth of its time."""
    rank, part = divmod(share * (len(values) - 1), 1)
    at = int(rank)
    lower, upper = np.partition(values, (at, at + 1))[at : at + 2]
    return float(lower + part * (upper - lower))


def _resampled_means(values: Floats) -> Floats:
    found = [values[draws].mean(axis=1) for draws in _in_parts(len(values))]
    return np.concatenate(found)


def _in_parts(count: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the rows of ``_draws``, of many values in parts that fit into memory."""
    if count <= _KEPT:
        yield _draws(count)
        return
    random = np.random.default_rng(SEED)
    step = max(1, _AT_ONCE // count)
    for start in range(0, RESAMPLES, step):
        yield random.integers(0, count, (min(step, RESAMPLES - start), count))


@lru_cache(maxsize=16)
def _draws(count: int) -> npt.NDArray[np.intp]:
    return np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))


def one_sided(values: Sequence[float], bound: float) -> tuple[float, float]:
    """Return p of the centre not lying above ``bound``, and p of its not lying below.

    Yuen's test of one sample: a t test of the mean with an eighth trimmed off at either end, so
    that a single trial that the machine disturbed neither makes a verdict nor prevents one. Unlike
    a bootstrap of eight values it resolves p far below a hundredth, which a correction over many
    claims requires. (1, 1) for fewer than three values.
    """
    if (count := len(values)) < 3:
        return 1.0, 1.0
    centre, variance, kept, _ = _trimmed(np.asarray(values, np.float64) - bound)
    if variance == 0:  # all agree
        return (0.5, 0.5) if centre == 0 else (float(centre < 0), float(centre > 0))
    from scipy.special import stdtr

    t = centre * kept / (sqrt(variance) * count**0.5)
    above = float(stdtr(kept - 1, -t))
    return above, 1.0 - above


def same_p(then: Sequence[float], now: Sequence[float]) -> float:
    """Return the two-sided p of both samples having one centre.

    Yuen's test of two samples: Welch's t test of means with an eighth trimmed off at either end,
    as in ``one_sided``. 1 for fewer than three values in one of them.
    """
    if min(len(then), len(now)) < 3:
        return 1.0
    (centre, _, kept, error), (other, _, its_kept, its_error) = map(_trimmed, (then, now))
    squared = error + its_error
    if squared == 0:  # all agree within each
        return float(centre == other)
    from scipy.special import stdtr

    degrees = squared**2 / (error**2 / (kept - 1) + its_error**2 / (its_kept - 1))
    return 2 * float(stdtr(degrees, -abs(centre - other) / squared**0.5))


def _trimmed(values: Values) -> tuple[float, float, int, float]:
    """Return the trimmed mean, the winsorised variance, how many were kept, the squared error."""
    ordered = np.sort(np.asarray(values, np.float64))
    count = len(ordered)
    cut = count // 8
    inner = ordered[cut : count - cut]
    winsorised = np.clip(ordered, inner[0], inner[-1])
    variance = 0.0 if inner[0] == inner[-1] else float(winsorised.var(ddof=1))
    kept = len(inner)
    return float(inner.mean()), variance, kept, (count - 1) * variance / (kept * (kept - 1))


def paired_ratio(left: Values, right: Values) -> Estimate:
    """Return the median of left over right within blocks: at least one, all above 0."""
    logs = np.log(np.asarray(left, np.float64)) - np.log(np.asarray(right, np.float64))
    found = _interval(logs)
    point, low, high = (float(np.exp(each)) for each in (found.point, found.low, found.high))
    return replace(found, scale=Scale.RATIO, point=point, low=low, high=high)


def paired_difference(left: Values, right: Values, *, mean: bool = False) -> Estimate:
    """Return the median (or mean) of left minus right within blocks, of at least one.

    Proportions take the mean, so that a loss in one block of many still counts; 0 against 0
    throughout is a difference of exactly 0 with p = 1.
    """
    return _interval(np.asarray(left, np.float64) - np.asarray(right, np.float64), mean=mean)


def counted_share(shares: Sequence[float], part: int, whole: int) -> Estimate:
    """Return the mean of the shares of several trials, which count ``part`` of ``whole`` together.

    Trials that all saw none (or nothing else) have no spread to resample, and prove nothing: the
    bound is then that of the count.
    """
    found = paired_difference(shares, [0.0] * len(shares), mean=True)
    if whole and part == 0:
        return replace(found, high=loss_bound(0, whole))
    if whole and part == whole:
        return replace(found, low=1.0 - loss_bound(0, whole))
    return found


def moved_p(then: Sequence[float], now: Sequence[float], shown: float) -> float:
    """Return the p of ``same_p``; 1 if the trimmed means moved against ``shown``."""
    p = same_p(then, now)
    if p == 1.0 or shown == 0:
        return p
    before, after = (_trimmed(each)[0] for each in (then, now))
    return p if (after - before) * shown > 0 else 1.0


def loss_bound(lossy: int, trials: int) -> float:
    """Return the upper 95 % bound (Clopper-Pearson) of the chance that a trial loses.

    0 of 20 give 0.139. ValueError unless 0 <= lossy <= trials and trials > 0.
    """
    if not 0 <= lossy <= trials or trials == 0:
        raise ValueError(f"{lossy} of {trials} trials is not a proportion")
    if lossy == trials:
        return 1.0
    from scipy.special import betaincinv  # scipy.stats would take most of a second to import

    return float(betaincinv(lossy + 1, trials - lossy, CONFIDENCE))


def within_p(values: Sequence[float], low: float, high: float) -> float:
    """Return the p value of the centre of ``values`` not lying between ``low`` and ``high``.

    Two one-sided tests (Schuirmann's TOST), each as in ``one_sided``. With ``low`` at -inf
    it is a test of non-inferiority: p of the centre not lying below ``high``.
    """
    above = 0.0 if low == -inf else one_sided(values, low)[0]
    below = 0.0 if high == inf else one_sided(values, high)[1]
    return max(above, below)


def partial_conjunction_p(p_values: Sequence[float], least: int) -> float:
    """Return the p value of fewer than ``least`` of these hypotheses being false.

    Benjamini and Heller's (2008) test with Bonferroni's bound: of n, n - least + 1 times the
    ``least``-th smallest p. With ``least`` at n it is the intersection-union test. ValueError
    unless 1 <= least <= n.
    """
    if not 1 <= least <= len(p_values):
        raise ValueError(f"{least} of {len(p_values)} p values")
    return min(1.0, (len(p_values) - least + 1) * sorted(p_values)[least - 1])


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p values by Holm's step-down procedure, in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    ascending = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for rank, index in enumerate(ascending):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return tuple(adjusted)
