# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find the loss probability of every budget, and the least one at which nothing was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from bench.judge.samples import ExperimentSamples
from bench.judge.statistics import loss_bound
from bench.plan.experiments import LADDER_STORMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Count the trials of one budget of a ladder, and those that lost something."""

    budget_bytes: int
    trials: int
    lossy: int
    bound: float  # upper 95 % bound of the probability that a storm loses something

    @property
    def lossless(self) -> bool:
        """Return whether enough storms lost nothing."""
        return self.lossy == 0 and self.trials >= LADDER_STORMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Hold the rungs of one transport in one experiment, ascending."""

    experiment: str
    transport: str
    rungs: tuple[Rung, ...]

    @property
    def minimum_bytes(self) -> int | None:
        """Return the lowest rung that lost nothing, like all above it; None if the highest lost."""
        lossless = [*takewhile(lambda rung: rung.lossless, reversed(self.rungs))]
        return lossless[-1].budget_bytes if lossless else None

    @property
    def unknown(self) -> bool:
        """Return whether the highest rung lost nothing, but in too few storms."""
        return self.minimum_bytes is None and not self.rungs[-1].lossy

    @property
    def recommended_bytes(self) -> int | None:
        """Return twice the minimum: loss is random near the edge, and storms differ."""
        minimum_bytes = self.minimum_bytes
        return None if minimum_bytes is None else 2 * minimum_bytes


def ladders(experiments: Mapping[str, ExperimentSamples]) -> tuple[Ladder, ...]:
    """Return the ladders of experiments that ran at least 20 storms on some rung."""
    found: list[Ladder] = []
    for samples in experiments.values():
        by_transport: dict[str, list[Rung]] = {}
        for arm in samples.arms.values():
            dropped = arm.number("own_dropped")
            trials, lossy = int((~np.isnan(dropped)).sum()), int((dropped > 0).sum())
            if arm.name.budget and not arm.name.variant and arm.name.copy == 1 and trials:
                rung = Rung(
                    budget_bytes=arm.config.budget_bytes,
                    trials=trials,
                    lossy=lossy,
                    bound=loss_bound(lossy, trials),
                )
                by_transport.setdefault(arm.name.transport, []).append(rung)
        for transport, rungs in by_transport.items():
            if len(rungs) > 1 and max(rung.trials for rung in rungs) >= LADDER_STORMS:
                rungs.sort(key=lambda rung: rung.budget_bytes)
                found.append(
                    Ladder(experiment=samples.name, transport=transport, rungs=tuple(rungs))
                )
    return tuple(found)
