# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""List the trials that a run is to have, so that its journal shows what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.plan.experiments import Experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Hold blocks of one experiment, each with all of these arms."""

    experiment: str
    arms: tuple[str, ...]
    first_block: int
    blocks: int  # how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Hold what is planned; a line of a journal adds to those before it."""

    stages: tuple[Stage, ...] = ()
    open: bool = False  # what follows is decided by what has come out, or by time
    no_time_for: tuple[str, ...] = ()  # in words: what there was no time for


def stage(experiment: Experiment, first_block: int = 0) -> Stage:
    """Return the blocks of ``experiment`` from ``first_block`` on."""
    return Stage(
        experiment=experiment.name,
        arms=tuple(arm.name for arm in experiment.arms),
        first_block=first_block,
        blocks=experiment.blocks - first_block,
    )


def outline(experiments: Iterable[Experiment], *, adaptive: bool = False) -> Outline:
    """Return the plan of a run of all blocks of ``experiments``."""
    return Outline(stages=tuple(map(stage, experiments)), open=adaptive)
