# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plan and run the experiments of claims, each once, and more blocks of those left open.

Most compare one setting, which names the arms: ``ringbuf@1MiB/forced``. An amplified storm sends
many records at each exit, so that a fork storm reaches millions per second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from bench.campaign import progress
from bench.errors import MachineUnfit
from bench.plan.budgets import LARGEST_RING_BYTES, parse
from bench.plan.config import Reader
from bench.plan.duration import estimate_seconds
from bench.plan.experiments import Arm, Experiment
from bench.questions.claims import catalogue
from bench.questions.claims.catalogue import Judged, families, judge
from bench.questions.claims.claim import Claim
from bench.questions.claims.evidence import of_trials
from bench.questions.claims.planner import MORE_BLOCKS, Planner
from bench.questions.transports.profiles import omitted, quickly
from bench.tracer import loader
from bench.tracer.transports import find
from bench.trial.result import TrialResult

if TYPE_CHECKING:
    from bench.campaign.campaign import Campaign
    from bench.tracer.build import Kernel

_OF_PROFILES: Final = (  # reused
    *("storm", "burst", "chain", "hotcpu", "stall"),
    *("storm-duet", "trickle-duet"),
)
_ENOUGH_CPUS: Final = 4  # for every experiment
_MOST_AT_ONCE: Final = 8  # blocks that a round adds before the claims are judged again
_FIRST: Final = ["order", "memory", "rates", "wakeups", "kernel", "drops", "latency", "visibility"]
"""Families whose experiments run in this order, before those of any other."""


def experiments(cpus: Sequence[int], kernel: Kernel | None = None) -> tuple[Experiment, ...]:
    """Return all experiments for the usable CPUs ``cpus``; their names and arms are unique.

    Arms that ``kernel`` cannot run are left out; for None, none are.
    """
    return tuple(each for each in _here(cpus, kernel) if each.arms)


def needed(claims: Sequence[Claim], planned: Sequence[Experiment]) -> tuple[Experiment, ...]:
    """Return those of ``planned`` by which ``claims`` are judged."""
    names = {name for claim in claims for name in claim.experiments}
    return tuple(experiment for experiment in planned if experiment.name in names)


def left_out(
    cpus: Sequence[int], claims: Sequence[Claim] | None = None, kernel: Kernel | None = None
) -> tuple[str, ...]:
    """Return which experiments, all or those of ``claims``, this machine cannot run, and why."""
    everywhere, here = _planned(range(_ENOUGH_CPUS)), _here(cpus, kernel)
    if claims is not None:
        everywhere, here = needed(claims, everywhere), needed(claims, here)
    known = {each.name for each in here}
    why = f"left out, it needs more CPUs than the {len(cpus)} that may be used"
    lacking = (f"{each.name}: {why}" for each in everywhere if each.name not in known)
    return (*lacking, *omitted(here))


def _planned(cpus: Sequence[int]) -> tuple[Experiment, ...]:
    on = Planner(cpus=tuple(cpus))
    known = {name: family for name, family in families().items() if hasattr(family, "experiments")}
    of_profiles = (  # without their baselines
        replace(
            each,
            arms=tuple(arm for arm in each.arms if arm.name.budget),
            blocks=max(each.blocks, MORE_BLOCKS),  # sixteen places must hold at once
        )
        for each in quickly(_OF_PROFILES, on.cpus)
    )
    ordered = [known[name] for name in dict.fromkeys((*_FIRST, *known))]
    found = (*of_profiles, *(each for family in ordered for each in family.experiments(on)))
    # What a claim asks of more CPUs than four is tried with four, to show that it can be run.
    able = [each for each in catalogue.claims() if min(each.cpus, _ENOUGH_CPUS) <= on.count]
    return needed(able, found)


def _here(cpus: Sequence[int], kernel: Kernel | None) -> tuple[Experiment, ...]:
    return tuple(_possible(each, kernel) for each in _planned(cpus))


def _possible(experiment: Experiment, kernel: Kernel | None) -> Experiment:
    """Return ``experiment`` without the arms that cannot run here, and why they cannot."""
    kept, lacking = [], list(experiment.omitted)
    for arm in experiment.arms:
        why = _impossible(arm, kernel)
        if not why:
            kept.append(arm)
        elif arm.name.copy == 1:
            lacking.append(f"{arm.name}: not applicable, {why}")
    if len(kept) < min(2, len(experiment.arms)):  # nothing is left to compare
        kept = []
    return replace(experiment, arms=tuple(kept), omitted=tuple(lacking))


def _impossible(arm: Arm, kernel: Kernel | None) -> str:
    if parse(arm.name.budget) > LARGEST_RING_BYTES:
        return "a ring holds 2 GiB at most"
    if arm.config.consumer.reader is Reader.LIBBCC and not loader.has_bcc():
        return "bcc, whose reader it needs, is not installed"
    try:
        if kernel is not None:
            find(arm.config.transport).require(arm.config.producer, kernel)
    except MachineUnfit as lacking:
        return lacking.message
    return ""


def run(
    campaign: Campaign,
    claims: Sequence[Claim],
    experiments: Sequence[Experiment],
    *,
    settle_s: float = 0.0,
) -> tuple[TrialResult, ...]:
    """Run all blocks of ``experiments``; then, for ``settle_s``, more blocks of open claims."""
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
