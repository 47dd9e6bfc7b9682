# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare within blocks, in pairs, and compare the result with a margin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from math import ceil, exp, inf, log, log1p
from operator import sub
from statistics import fmean, median
from typing import Final

import numpy as np

from bench.amounts import counted, share
from bench.judge import statistics
from bench.judge.floor import LEAST_MARGIN, shown_by
from bench.judge.load import contradict
from bench.judge.metrics import Unit
from bench.judge.numbers import Take
from bench.judge.samples import Place
from bench.judge.statistics import FEWEST_BLOCKS, Estimate, Scale, one_sided
from bench.plan.experiments import twins
from bench.questions.claims.claim import Measured, Verdict
from bench.questions.claims.evidence import Evidence, NotMeasured, Series, series
from bench.report.document import TrialSet

SURE: Final = 0.05  # p of one conclusive test; the catalogue corrects for all of them
NEARLY_NONE: Final = 0.01  # a share shown to be smaller counts as zero, or as no increase
ABOUT_EQUAL: Final = 1.25  # a ratio shown to lie between its inverse and this counts as about 1
_SETTLED_T: Final = 4.0  # standard errors from the bound that survive the correction over all
_MOST_LOG: Final = 300.0
_MOST_FURTHER: Final = 1_000  # blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Hold by how much one side exceeds the other in each block, and the required margin.

    For a ratio ``values`` are logarithms and ``margin`` is a share over 1; for a difference both
    are plain.
    """

    what: str
    scale: Scale
    values: tuple[float, ...]
    margin: float
    rests_on: tuple[TrialSet, ...]
    unit: Unit = Unit.TIMES
    alone: bool = False  # one proportion, compared with 0

    @property
    def bound(self) -> float:
        """Return the value that ``values`` must exceed."""
        return log1p(self.margin) if self.scale is Scale.RATIO else self.margin

    @property
    def blocks(self) -> int:
        """Count the paired blocks."""
        return len(self.values)

    @property
    def estimate(self) -> Estimate:
        """Return the median ratio, or the mean difference, with its 95 % interval."""
        return _estimate(self.scale, self.values)

    @property
    def p(self) -> tuple[float, float]:
        """Return two-sided p of lying above the bound, and of no difference that matters.

        The second uses the least margin, however much twins differ: noise refutes nothing.
        """
        above, _ = _one_sided(self.values, self.bound)
        _, below = _one_sided(self.values, self._least)
        return min(1.0, 2 * above), min(1.0, 2 * below)

    @property
    def lies(self) -> int:
        """Return 1 if the interval is above the bound, -1 if it is certainly below, else 0."""
        found = self.measured()
        if found.low > found.bound:
            return 1
        return -1 if found.high < found.bound and self.p[1] < SURE else 0

    def between(self, low: float, high: float) -> tuple[Verdict, float]:
        """Return whether the number lies between ``low`` and ``high``, and the p of that.

        REPRODUCED if the whole interval lies there and two one-sided tests say so, REFUTED if it
        lies outside and a one-sided test says so, else INCONCLUSIVE: a test that found no
        difference does not show that there is none. An infinite edge bounds nothing.
        """
        if self.blocks < FEWEST_BLOCKS:
            return Verdict.INCONCLUSIVE, 1.0
        lower, upper = (low, high) if self.scale is Scale.DIFFERENCE else map(_log, (low, high))
        found = self.estimate
        inside = statistics.within_p(self.values, lower, upper)
        if low <= found.low and found.high <= high and inside < SURE:
            return Verdict.REPRODUCED, inside
        beyond = min(
            1.0 if upper == inf else 2 * one_sided(self.values, upper)[0],
            1.0 if lower == -inf else 2 * one_sided(self.values, lower)[1],
        )
        if (found.low > high or found.high < low) and beyond < SURE:
            return Verdict.REFUTED, beyond
        return Verdict.INCONCLUSIVE, 1.0

    @property
    def _least(self) -> float:
        return log1p(LEAST_MARGIN) if self.scale is Scale.RATIO else 0.0

    def measured(self) -> Measured:
        """Return the number for a finding."""
        ratio = self.scale is Scale.RATIO
        found = Measured.of(self.what, self.unit, self.estimate, bound=self.margin + ratio)
        blocks = tuple(map(exp, self.values)) if ratio else self.values
        return replace(found, blocks=blocks, difference=not (ratio or self.alone))

    def __str__(self) -> str:
        """Format what, how much, and the interval."""
        ratio, found = self.scale is Scale.RATIO, self.estimate
        if found.low == found.high == ratio:
            same = share(0.0) if self.alone else "the same"
            return f"{self.what}: {same} in each of {counted(self.blocks, 'block')}"
        return f"{self.what}: {self.measured()}"

    def further_blocks(self) -> int:
        """Return how many more would likely move the interval off the bound."""
        if self.blocks < FEWEST_BLOCKS:
            return FEWEST_BLOCKS - self.blocks
        centre = median(self.values)
        distance = abs(centre - (self.bound if centre > self.bound else self._least))
        if distance == 0:
            return _MOST_FURTHER
        needed = ceil(_SETTLED_T**2 * float(np.var(self.values, ddof=1)) / distance**2)
        return min(_MOST_FURTHER, max(needed - self.blocks, FEWEST_BLOCKS // 2))


def _log(value: float) -> float:
    return log(value) if value > 0 else -inf


def _log_ratio(left: float, right: float) -> float:
    """Return the log of a quotient that may exceed any float, limited so that exp() accepts it."""
    return max(-_MOST_LOG, min(log(left) - log(right), _MOST_LOG))


_one_sided = lru_cache(maxsize=1_024)(one_sided)


@lru_cache(maxsize=1_024)
def _estimate(scale: Scale, values: tuple[float, ...]) -> Estimate:
    """Resample once: a rule uses the same numbers several times."""
    if scale is Scale.RATIO:
        return statistics.paired_ratio([exp(value) for value in values], [1.0] * len(values))
    return statistics.paired_difference(values, [0.0] * len(values), mean=True)


def bases(parts: Iterable[Series | Contrast]) -> tuple[TrialSet, ...]:
    """Return the trials behind ``parts``, each set once."""
    return tuple(dict.fromkeys(chain.from_iterable(part.rests_on for part in parts)))


def shared(*parts: Series) -> list[Place]:
    """Return the blocks that all of ``parts`` have, unless one storm gave them unequal loads.

    NotMeasured if there is none.
    """
    places = {
        place
        for place in set(parts[0].values).intersection(*(part.values for part in parts[1:]))
        if not contradict(*(load for part in parts for load in part.loads.get(place, ())))
    }
    if not places:
        raise NotMeasured(parts[0].experiment)
    return sorted(places)


def _above_0(*parts: Series) -> list[Place]:
    """Return the shared blocks whose values have a ratio. NotMeasured if there is none."""
    places = [place for place in shared(*parts) if min(each.values[place] for each in parts) > 0]
    if not places:
        raise NotMeasured(parts[0].experiment)
    return places


def sides(left: Series, right: Series, scale: Scale = Scale.RATIO) -> tuple[float, float]:
    """Return centres of ``left`` and ``right`` that agree with their comparison in pairs.

    The right one is the median of the blocks that both have (for a difference the mean), the left
    one is that times the median ratio, or plus the mean difference: two separate medians may
    suggest the opposite.
    """
    if scale is Scale.DIFFERENCE:
        places = shared(left, right)
        return fmean(left.values[p] for p in places), fmean(right.values[p] for p in places)
    places = _above_0(left, right)
    centre = median(right.values[p] for p in places)
    return centre * exp(median(_log_ratio(left.values[p], right.values[p]) for p in places)), centre


def difference(
    what: str, left: Series, right: Series | None = None, *, margin: float = 0.0
) -> Contrast:
    """Compare ``left`` minus ``right`` within blocks, of shares; without ``right``, with 0."""
    parts = (left,) if right is None else (left, right)
    less = dict.fromkeys(left.values, 0.0) if right is None else right.values
    return Contrast(
        what=what,
        scale=Scale.DIFFERENCE,
        values=tuple(left.values[place] - less[place] for place in shared(*parts)),
        margin=margin,
        rests_on=bases(parts),
        unit=Unit.SHARE,
        alone=right is None,
    )


def ratio(what: str, *parts: Series, margin: float) -> Contrast:
    """Compare a / b, or (a / b) / (c / d), within the blocks in which all are above 0."""
    places = _above_0(*parts)
    first, *others = (
        [_log_ratio(left.values[place], right.values[place]) for place in places]
        for left, right in zip(parts[::2], parts[1::2], strict=True)
    )
    return Contrast(
        what=what,
        scale=Scale.RATIO,
        values=tuple(map(sub, first, *others)) if others else tuple(first),
        margin=margin,
        rests_on=bases(parts),
    )


def together(what: str, contrasts: Sequence[Contrast]) -> Contrast:
    """Return the mean of several contrasts, block by block, as far as all have blocks."""
    return replace(
        contrasts[0],
        what=what,
        values=tuple(map(fmean, zip(*(each.values for each in contrasts), strict=False))),
        margin=max(each.margin for each in contrasts),
        rests_on=bases(contrasts),
    )


def noise(
    compare: Callable[..., Contrast],
    least: float,
    evidence: Evidence,
    take: Take,
    *experiments: str,
    budget: str = "",
) -> float:
    """Return by how much A/A twins certainly differ in these experiments, at least ``least``.

    With ``budget``, only those of that budget. It is the near edge of their interval. The far edge
    is mostly chance, for which the intervals of all contrasts already allow: with it, an arm that
    loses a tenth in every second trial would not differ from one that never loses.
    """
    sizes = [least]
    for name in experiments:
        samples = evidence.samples(name)
        for pair in twins(samples.names):
            if budget not in ("", pair.left.budget):
                continue
            with suppress(NotMeasured):
                both = (samples.arms[arm] for arm in (pair.left, pair.right))
                left, right = (series(name, arm, take) for arm in both)
                sizes.append(shown_by(compare("", left, right, margin=0.0).estimate))
    return max(sizes)


ratio_margin: Final = partial(noise, ratio, LEAST_MARGIN)
share_margin: Final = partial(noise, difference, 0.0)
