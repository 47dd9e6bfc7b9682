# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find where a series of numbers changes its level, with a known rate of false alarms.

A series is split where the values before differ most from those after: at the largest of the
standardised differences of means over all splits, as in Worsley (1979, JASA 74:365), of values
that are clipped a few deviations off the median. How large it becomes by chance is found by
permuting the series, which needs no assumption about outliers, ties or the number of splits.
Holm's correction (1979) accounts for the number of series. Both parts of a split series are
searched again (binary segmentation: Vostrikova, 1981), all parts of one turn together.

So without any change, one in 20 histories has a false one, however many numbers are followed. A
permutation assumes that runs are exchangeable: a number that drifts slowly "changes" too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from bench.judge.statistics import SEED, holm

LEVEL: Final = 0.05  # of false alarms in a whole history
FEWEST: Final = 3
"""Runs on either side of a change: fewer may share a disturbance."""
FEWEST_RUNS: Final = 7
"""Runs that can show a change: of six, every tenth order has as large a step as there can be."""

_FEW_DRAWS: Final = (99, 999)
_ENOUGH: Final = 10
"""Permutations that differ as much, after which no more are drawn (Besag and Clifford, 1991)."""
_MOST_DRAWS: Final = 99_999
_AT_ONCE: Final = 1 << 15  # values
_CLIP: Final = 5.0  # robust deviations
_ROUNDED: Final = 1 - 1e-5  # sums in another order differ by this much

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Locate a change: index of the first value after it, and its p, corrected over all series."""

    at: int
    p: float


def splits(
    series: Mapping[Key, Floats], beyond: Callable[[Key, slice, slice], bool]
) -> dict[Key, tuple[Split, ...]]:
    """Return the changes of every series, in order.

    ``beyond`` returns whether two stretches of a series differ by more than their noise:
    significance alone does not make a change.
    """
    found: dict[Key, list[Split]] = {key: [] for key in series}
    stretches = [(key, 0, len(values)) for key, values in series.items()]
    while stretches := [
        (k, a, b) for k, a, b in stretches if b - a >= 2 * FEWEST and np.ptp(series[k][a:b])
    ]:
        draws = min(_MOST_DRAWS, max(1_999, ceil(2 * len(stretches) / LEVEL)))
        best = [_best(series[key][start:stop], draws) for key, start, stop in stretches]
        halves = []
        adjusted = holm([p for _, p in best])
        for (key, start, stop), (length, _), p in zip(stretches, best, adjusted, strict=True):
            at = start + length
            if p < LEVEL and beyond(key, slice(start, at), slice(at, stop)):
                found[key].append(Split(at=at, p=p))
                halves += [(key, start, at), (key, at, stop)]
        stretches = halves
    return {key: tuple(sorted(each, key=lambda one: one.at)) for key, each in found.items()}


def _best(values: Floats, draws: int) -> tuple[int, float]:
    """Return the length of the first part of the best split, and its p over all splits."""
    scores = _clipped(values)
    differences = _differences(scores[np.newaxis])[0]
    at = int(differences.argmax())
    bound = _bound(scores, float(differences[at]))
    if bound * draws < 1:  # less than this many draws can show
        return FEWEST + at, bound
    for many in (*_FEW_DRAWS, draws):
        as_large = int(np.count_nonzero(_by_chance(scores, many) >= differences[at] * _ROUNDED))
        if as_large >= _ENOUGH:
            break
    return FEWEST + at, (1 + as_large) / (many + 1)


def _clipped(values: Floats) -> Floats32:
    """Return the values in robust deviations from their median, clipped; their mean is 0."""
    off = values - np.median(values)
    deviation = 1.4826 * np.median(np.abs(off)) or np.finfo(np.float64).tiny
    with np.errstate(over="ignore"):
        scores = np.clip(off / deviation, -_CLIP, _CLIP)
    return np.asarray(scores - scores.mean(), np.float32)


def _differences(scores: Floats32) -> Floats32:
    """Return for each row the standardised difference between both parts, for each split."""
    count = scores.shape[1]
    first = np.arange(FEWEST, count - FEWEST + 1)
    found = np.cumsum(scores, axis=1)[:, FEWEST - 1 : count - FEWEST]
    found /= np.sqrt(first * (count - first) / count).astype(np.float32)
    return np.abs(found, out=found)


def _bound(scores: Floats32, difference: float) -> float:
    """Return an upper bound of the chance that a permutation has a difference as large.

    Bernstein's inequality for every split; it also holds for draws without replacement
    (Hoeffding, 1963, JASA 58:13).
    """
    count = len(scores)
    first = np.arange(FEWEST, count - FEWEST + 1, dtype=np.float64)
    sums = difference * np.sqrt(first * (count - first) / count)
    variances = np.minimum(first, count - first) * float(np.mean(scores**2))
    largest = float(np.abs(scores).max())
    return float(2 * np.exp(-(sums**2) / (2 * (variances + largest * sums / 3))).sum())


def _by_chance(scores: Floats32, draws: int) -> Floats32:
    """Return the largest difference in each of ``draws`` permutations."""
    random = np.random.default_rng(SEED)
    at_once = max(1, _AT_ONCE // len(scores))
    largest = []
    for start in range(0, draws, at_once):
        rows = np.tile(scores, (min(at_once, draws - start), 1))
        largest.append(_differences(random.permuted(rows, axis=1, out=rows)).max(axis=1))
    return np.concatenate(largest)
