# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the experiments that claims need, each once, and more blocks of those left open."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.campaign import progress
from bench.campaign.campaign import Campaign
from bench.plan.duration import estimate_seconds
from bench.plan.experiments import Experiment
from bench.questions.claims.catalogue import Judged, judge
from bench.questions.claims.claim import Claim
from bench.questions.claims.evidence import of_trials
from bench.trial.result import TrialResult

_MOST_AT_ONCE: Final = 8
"""Blocks that a round adds at most before the claims are judged again."""


def needed(claims: Sequence[Claim], planned: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """Return those of ``planned`` that ``claims`` are judged by."""
    names = {name for claim in claims for name in claim.experiments}
    return tuple(experiment for experiment in planned if experiment.name in names)


def left_out(claims: Sequence[Claim], lines: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``lines``, each of an experiment that begins it, that concern ``claims``."""
    names = {name for claim in claims for name in claim.experiments}
    return tuple(line for line in lines if re.split("[:,]", line, maxsplit=1)[0] in names)


def run(
    campaign: Campaign,
    claims: Sequence[Claim],
    experiments: Sequence[Experiment],
    *,
    settle_s: float = 0.0,
) -> tuple[TrialResult, ...]:
    """Run all blocks of ``experiments``; then, for ``settle_s``, more of what is left open."""
    trials: list[TrialResult] = []
    with progress.shown(experiments) as begin:
        for experiment in experiments:
            trials.extend(campaign.run(experiment, begin(experiment)))
    deadline = time.monotonic() + settle_s
    done = {experiment.name: experiment.blocks for experiment in experiments}
    while settle_s:
        judged = judge(of_trials(trials, campaign.header.machine), claims)
        more = further(judged, experiments, done, deadline - time.monotonic())
        if not more:
            known = {each.name for each in experiments}
            wanted = {name for each in judged.open for name in each.claim.experiments} & known
            campaign.leave_out(*(f"further blocks of {name}" for name in sorted(wanted)))
            break
        with progress.shown(
            [replace(each, blocks=each.blocks - done[each.name]) for each in more]
        ) as begin:
            for experiment in more:
                trials.extend(
                    campaign.run(experiment, begin(experiment), first_block=done[experiment.name])
                )
                done[experiment.name] = experiment.blocks
    return tuple(trials)


def further(
    judged: Judged, experiments: Sequence[Experiment], done: dict[str, int], left_s: float
) -> tuple[Experiment, ...]:
    """Return the experiments of open claims with more blocks, as far as they fit into ``left_s``.

    Those that need the fewest blocks come first: a claim that would take a thousand should not keep
    the others from being settled.
    """
    wanted: dict[str, int] = {}
    for each in sorted(judged.open, key=lambda each: each.finding.further_blocks or 1):
        for name in each.claim.experiments:
            blocks = min(each.finding.further_blocks or 1, _MOST_AT_ONCE)
            wanted[name] = max(wanted.get(name, 0), blocks)
    known = {experiment.name: experiment for experiment in experiments}
    found = []
    for name, blocks in wanted.items():
        experiment = known.get(name)
        if experiment is None:
            continue
        needed_s = estimate_seconds(replace(experiment, blocks=blocks))
        if needed_s <= left_s:
            left_s -= needed_s
            found.append(replace(experiment, blocks=done[name] + blocks))
    return tuple(found)
