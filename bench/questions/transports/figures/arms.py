# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Which arms charts show: those that comparisons are made of, by experiment and transport."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.plan.experiments import BASELINES, ArmName
from bench.questions.transports.material import Material
from bench.questions.transports.summary import Summary
from bench.report.units import clean
from bench.tracer.transports import ranked
from bench.trial.result import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownArm:
    """One arm of an experiment; its names are safe to show."""

    experiment: str
    transport: str
    variant: str
    samples: ArmSamples

    @property
    def budget_bytes(self) -> int:
        """Data bytes that it really had."""
        return self.samples.trials[0].config.budget_bytes

    @property
    def trials(self) -> tuple[TrialResult, ...]:
        """Its trials that count."""
        return self.samples.trials


def shown_arms(experiments: Mapping[str, ExperimentSamples]) -> Iterator[ShownArm]:
    """Yield every arm with a transport and trials, but second names of A/A pairs."""
    for samples in experiments.values():
        for arm in samples.arms.values():
            name = ArmName.parse(arm.name)
            if name.transport not in BASELINES and name.copy == 1 and arm.trials:
                yield ShownArm(
                    experiment=clean(samples.name),
                    transport=clean(name.transport),
                    variant=clean(name.variant),
                    samples=arm,
                )


def transports(arms: list[ShownArm]) -> tuple[str, ...]:
    """Return the transports of ``arms``, once each, in a fixed order."""
    return ranked(arm.transport for arm in arms)


def calm_budgets(summary: Summary) -> dict[str, tuple[str, str]]:
    """Name each experiment's two arms at the budget where least was lost."""
    chosen: dict[str, tuple[str, str]] = {}
    least: dict[str, float] = {}
    for each in summary.comparisons:  # smallest budget first
        lost = sum(
            side.own_dropped / side.own_attempted
            for side in (each.left, each.right)
            if side.own_attempted
        )
        if each.experiment not in chosen or lost < least[each.experiment]:
            chosen[each.experiment] = (each.left.arm, each.right.arm)
            least[each.experiment] = lost
    return chosen


def compared(material: Material) -> list[ShownArm]:
    """Return the arms of each experiment at the budget where least was lost."""
    chosen = calm_budgets(material.summary)
    return [
        arm
        for arm in shown_arms(material.experiments)
        if arm.samples.name in chosen.get(arm.experiment, ())
    ]
