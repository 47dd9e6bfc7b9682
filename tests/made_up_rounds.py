# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run experiments whose trials are made up, for questions that choose their next round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.plan.experiments import Arm, Experiment
from bench.trial.result import State, TrialResult


@dataclass
class Rounds:
    """Make the trials of every experiment that is run, and keep the experiments in ``asked``."""

    asked: list[Experiment] = field(default_factory=list, init=False)
    invalid: str = field(default="", kw_only=True)  # an arm whose trials do not balance

    def run(
        self, experiment: Experiment, listener: Callable[[TrialResult], None]
    ) -> Sequence[TrialResult]:
        self.asked.append(experiment)
        made = [
            self.trial(experiment.name, arm, block)
            for block in range(experiment.blocks)
            for arm in experiment.arms
        ]
        for each in made:
            listener(each)
        return made

    def trial(self, experiment: str, arm: Arm, block: int) -> TrialResult:
        """Return the trial of ``arm`` in one block."""
        raise NotImplementedError

    def state(self, arm: Arm) -> State:
        """Return the state of trials of ``arm``."""
        return State.INVALID if arm.name == self.invalid else State.VALID
