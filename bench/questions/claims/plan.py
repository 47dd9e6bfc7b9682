# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Collect the experiments that the published claims are judged by, each once.

Most ask about one setting, so arms are named by what sets them apart: ``ringbuf@1MiB/forced``.
An amplified storm sends many records at each exit: so a fork storm reaches millions a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.plan.budgets import LARGEST_RING_BYTES, parse
from bench.plan.experiments import ArmName, Experiment
from bench.questions.claims.catalogue import families
from bench.questions.claims.setting import Setting
from bench.questions.transports.profiles import omitted, quickly

FROM_PROFILE: Final = (
    *("storm", "burst", "chain", "hotcpu", "stall"),
    *("storm-duet", "trickle-duet"),
)
"""Experiments of the profiles, taken over."""

_ENOUGH_CPUS: Final = 4  # for every experiment

_FIRST: Final = ["order", "memory", "rates", "wakeups", "kernel", "drops", "latency", "visibility"]
"""Families whose experiments run in this order, before those of any other."""


def experiments(cpus: Sequence[int]) -> tuple[Experiment, ...]:
    """Return all of them for the usable CPUs ``cpus``; names of experiments and arms are unique."""
    return tuple(each for each in map(_possible, _planned(cpus)) if each.arms)


def left_out(cpus: Sequence[int]) -> tuple[str, ...]:
    """Return the experiments and arms that these CPUs cannot run, each with the reason."""
    planned = {each.name: _possible(each) for each in _planned(cpus)}
    everywhere = (each.name for each in _planned(range(_ENOUGH_CPUS)))
    return (
        *(
            f"{name}: left out, it needs more CPUs than the {len(cpus)} that may be used"
            for name in everywhere
            if name not in planned
        ),
        *omitted(planned.values()),
    )


def _planned(cpus: Sequence[int]) -> tuple[Experiment, ...]:
    on = Setting(cpus=tuple(cpus))
    known = {name: family for name, family in families().items() if hasattr(family, "experiments")}
    of_profiles = (  # without their baselines
        replace(each, arms=tuple(arm for arm in each.arms if ArmName.parse(arm.name).budget))
        for each in quickly(FROM_PROFILE, on.cpus)
    )
    ordered = [name for name in dict.fromkeys((*_FIRST, *known)) if name in known]
    found = (*of_profiles, *(each for name in ordered for each in known[name].experiments(on)))
    return tuple(each for each in found if on.count > 1 or not each.duet)


def _possible(experiment: Experiment) -> Experiment:
    """Return ``experiment`` without the budgets that no ring can have, of any transport."""
    kept, omitted = [], list(experiment.omitted)
    for arm in experiment.arms:
        if parse(ArmName.parse(arm.name).budget) <= LARGEST_RING_BYTES:
            kept.append(arm)
        else:
            omitted.append(f"{arm.name}: not applicable, a ring holds 2GiB at most")
    return replace(experiment, arms=tuple(kept), omitted=tuple(omitted))
