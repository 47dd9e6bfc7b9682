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

FROM_PROFILE: Final = ("storm", "burst", "chain", "hotcpu", "trickle", "stall")
"""Experiments of the profiles, taken over."""

_ENOUGH_CPUS: Final = 4  # for every experiment

_FIRST: Final = (
    *("order", "memory", "rates", "wakeups", "kernel_cost", "kernel_readers"),
    *("drops", "latency", "visibility"),
)
"""Families whose experiments run in this order, before those of any other."""


def _of_profile(on: Setting) -> tuple[Experiment, ...]:
    """Return experiments of the profiles without their baselines."""
    return tuple(
        replace(each, arms=tuple(arm for arm in each.arms if ArmName.parse(arm.name).budget))
        for each in quickly(FROM_PROFILE, on.cpus)
    )


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
    ordered = (*(name for name in _FIRST if name in known), *sorted(known.keys() - set(_FIRST)))
    of_families = (found for name in ordered for found in known[name].experiments(on))
    return (*_of_profile(on), *of_families)


def _possible(experiment: Experiment) -> Experiment:
    """Return ``experiment`` without the budgets that no ring can have, of any transport."""
    too_large = [
        arm for arm in experiment.arms if parse(ArmName.parse(arm.name).budget) > LARGEST_RING_BYTES
    ]
    return replace(
        experiment,
        arms=tuple(arm for arm in experiment.arms if arm not in too_large),
        omitted=(
            *experiment.omitted,
            *(f"{arm.name}: not applicable, a ring holds 2GiB at most" for arm in too_large),
        ),
    )
