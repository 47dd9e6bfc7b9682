# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Decide which trials put the same load on a transport, and may be paired.

A storm that was reduced (lowered by limits, failed in part, stopped early) is paired with nothing.
Two other loads are equal if the same storm was requested and produced as many processes, and as
many at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.amounts import counted
from bench.trial.result import State, TrialResult, shortfall
from workloads.storm import Shape, Storm


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Describe the load that one storm put on a transport."""

    asked: Storm  # without the seed
    children: int | None  # that it produced; None if the storm's length decides, by design
    at_once: int | None  # None: not recorded

    def __str__(self) -> str:
        count = "" if self.children is None else counted(self.children, "process", "processes")
        wide = f"{self.at_once:,} at once" if self.at_once is not None else ""
        return ", ".join(filter(None, (count, wide))) or "another storm"


def load_of(trial: TrialResult) -> Load:
    """Return the load of a trial, workers not counted."""
    asked = replace(trial.config.storm, seed=0)
    return Load(asked=asked, children=children_of(trial), at_once=trial.storm.at_once or None)


def children_of(trial: TrialResult) -> int | None:
    """Return how many processes a storm produced, without workers; None if its length decides."""
    storm = trial.config.storm
    return None if storm.shape is Shape.UNEVEN else trial.storm.reaped - storm.real_workers


def contradict(*loads: Load) -> bool:
    """Return whether one storm was requested but different loads resulted.

    Arms that a plan gives different storms on purpose do not contradict each other.
    """
    first: dict[Storm, Load] = {}
    return any(first.setdefault(load.asked, load) != load for load in loads)


def reduced(trial: TrialResult) -> tuple[str, ...]:
    """Return why the storm of a trial was not the one requested; () if it was.

    Determined again here, since journals before schema 3 have no such state.
    """
    return shortfall(trial.config.storm, trial.storm)


def reasons_of(trial: TrialResult) -> tuple[str, ...]:
    """Return why a trial is not valid, as it would be recorded today."""
    return tuple(dict.fromkeys((*reduced(trial), *trial.reasons)))


def state_of(trial: TrialResult) -> State:
    """Return the state of a trial, as it would be recorded today."""
    if trial.state is not State.INVALID and reduced(trial):
        return State.REDUCED
    return trial.state
