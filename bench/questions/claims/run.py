# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the experiments that claims need, each once, and more blocks of those left open."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
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
    done = dict.fromkeys((each.name for each in experiments), 0)

    def run_rest(more: Sequence[Experiment]) -> None:
        left = [replace(each, blocks=each.blocks - done[each.name]) for each in more]
        with progress.shown(left) as begin:
            for each in more:
                trials.extend(campaign.run(each, begin(each), first_block=done[each.name]))
                done[each.name] = each.blocks

    run_rest(experiments)
    deadline = time.monotonic() + settle_s
    while settle_s:
        judged = judge(of_trials(trials, campaign.header.machine), claims)
        more = further(judged, experiments, done, deadline - time.monotonic())
        if not more:
            wanted = needed([each.claim for each in judged.judgements if each.open], experiments)
            campaign.leave_out(*sorted(f"further blocks of {each.name}" for each in wanted))
            break
        run_rest(more)
    return tuple(trials)


def further(
    judged: Judged, experiments: Sequence[Experiment], done: Mapping[str, int], left_s: float
) -> tuple[Experiment, ...]:
    """Return the experiments of open claims with more blocks, as far as they fit into ``left_s``.

    Those that need the fewest blocks come first: a claim that would take a thousand should not keep
    the others from being settled.
    """
    wanted: dict[str, int] = {}
    more = ((each.finding.further_blocks or 1, each) for each in judged.judgements if each.open)
    for blocks, each in sorted(more, key=itemgetter(0)):
        for name in each.claim.experiments:
            wanted[name] = max(wanted.get(name, 0), min(blocks, _MOST_AT_ONCE))
    known = {experiment.name: experiment for experiment in experiments}
    found = []
    for name in (name for name in wanted if name in known):
        needed_s = estimate_seconds(replace(known[name], blocks=wanted[name]))
        if needed_s <= left_s:
            left_s -= needed_s
            found.append(replace(known[name], blocks=done[name] + wanted[name]))
    return tuple(found)
