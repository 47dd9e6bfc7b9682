# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compare runs with their plans: one that was stopped must not look complete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.journal.distinct import identities
from bench.journal.schema import Run, TrialId
from bench.judge.columns import columns_of
from bench.plan.experiments import Stage

Spans = dict[tuple[str, str], list[tuple[int, int]]]
"""Blocks that were planned, as (first, end), by experiment and arm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanData:
    """Hold how much of the plan has run; null if no run recorded a plan."""

    complete: bool | None  # whether all runs are complete
    runs: int  # that were pooled
    runs_incomplete: int  # of those whose plan was recorded
    runs_without_plan: int  # with an unknown plan, as in journals of schema 1 and 2
    planned_trials: int | None
    planned_trials_ran: int | None
    more_was_planned: bool | None  # a run was stopped that would have planned more
    no_time_for: tuple[str, ...]  # trials for which there was no time, in words
    repeated_trials: int  # that were given more than once; each counts once


def coverage(runs: Sequence[Run], repeated: Collection[TrialId] = ()) -> PlanData:
    """Return how much of their plans these runs have; ``repeated`` as in the journals' content."""
    recorded = [_of_run(run) for run in runs if run.plans]
    incomplete, unrecorded = sum(not whole for *_, whole in recorded), len(runs) - len(recorded)
    missing = [what for run in runs for plan in run.plans for what in plan.no_time_for]
    return PlanData(
        complete=False if incomplete else None if unrecorded or not runs else True,
        runs=len(runs),
        runs_incomplete=incomplete,
        runs_without_plan=unrecorded,
        planned_trials=sum(planned for planned, _, _ in recorded) if recorded else None,
        planned_trials_ran=sum(ran for _, ran, _ in recorded) if recorded else None,
        more_was_planned=any(r.plans[-1].open for r in runs if r.plans) if recorded else None,
        no_time_for=tuple(dict.fromkeys(missing)),
        repeated_trials=sum(e in repeated for run in runs if repeated for e in identities(run)),
    )


def _of_run(run: Run) -> tuple[int, int, bool]:
    """Return the trials planned, those of them that ran, and whether that is all."""
    spans = _spans(stage for plan in run.plans for stage in plan.stages)
    planned = sum(end - first for each in spans.values() for first, end in each)
    columns = columns_of(run.trials)
    blocks = columns.blocks()
    ran = sum(
        any(first <= block < end for first, end in spans.get((experiment, arm), ()))
        for experiment, arm, rows in columns.arms()
        for block in np.unique(blocks[rows]).tolist()
    )
    return planned, ran, ran == planned and not run.plans[-1].open


def _spans(stages: Iterable[Stage]) -> Spans:
    """Join overlapping spans: a resumed run has its plan twice."""
    spans: Spans = defaultdict(list)
    for stage in sorted(stages, key=lambda each: each.first_block):
        first, end = stage.first_block, stage.first_block + stage.blocks
        for arm in stage.arms if end > first else ():
            joined = spans[stage.experiment, arm]
            if joined and first <= joined[-1][1]:
                first_joined, last = joined.pop()
                joined.append((first_joined, max(end, last)))
            else:
                joined.append((first, end))
    return spans
