# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the noise floor: by how much a configuration seems to differ from itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

from bench.judge.metrics import METRICS
from bench.judge.samples import ExperimentSamples, estimate
from bench.judge.statistics import Estimate, Scale
from bench.plan.experiments import twins

LEAST_MARGIN: Final = 0.02
"""A ratio within 2 % of 1 is not a difference, however certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Hold one A/A comparison of one number."""

    experiment: str
    arm: str
    metric: str  # key
    scale: Scale
    size: float  # ratio: how far from 1 the interval reaches, as 0.05; difference: how far from 0


def size_of(estimate: Estimate) -> float:
    """Return how far from equality the interval reaches."""
    if estimate.scale is Scale.RATIO:
        return max(estimate.high, 1 / estimate.low) - 1
    return max(abs(estimate.low), abs(estimate.high))


def shown_by(estimate: Estimate) -> float:
    """Return how far from equality the interval begins; 0 where it contains equality."""
    if estimate.scale is Scale.RATIO:
        return max(estimate.low, 1 / estimate.high, 1.0) - 1
    return max(estimate.low, -estimate.high, 0.0)


def noise_floors(experiments: Mapping[str, ExperimentSamples]) -> tuple[Floor, ...]:
    """Return the floor of every number, from each A/A pair of arms whose interval has bounds.

    The interval of a duet of few storms may be unbounded, and then gives no floor.
    """
    return tuple(
        Floor(
            experiment=samples.name,
            arm=pair.left,
            metric=metric.key,
            scale=found.scale,
            size=size_of(found),
        )
        for samples in experiments.values()
        for pair in twins(samples.names)
        for metric in METRICS
        if (found := estimate(metric, samples.arms[pair.left], samples.arms[pair.right]))
        and isfinite(found.half_width)
    )


def floor_for(
    floors: Iterable[Floor], *, metric: str, scale: Scale, experiment: str
) -> Floor | None:
    """Return a number's largest floor: of the experiment's own A/A pairs, else of all."""
    known = [floor for floor in floors if floor.metric == metric and floor.scale is scale]
    own = [floor for floor in known if floor.experiment == experiment]
    return max(own or known, key=lambda floor: floor.size, default=None)


def margin(scale: Scale, floor: Floor | None) -> float:
    """Return what a difference must exceed: 2 % or more for a ratio, the floor for proportions."""
    size = floor.size if floor is not None else 0.0
    return max(LEAST_MARGIN, size) if scale is Scale.RATIO else size
