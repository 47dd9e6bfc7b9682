# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The experiments that the published claims are judged by: the union of what they need, once.

Most ask about one setting, so arms are named by what sets them apart: ``ringbuf@1MiB/forced``.
An amplified storm sends many records at each exit: so a fork storm reaches millions a second.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.plan.claims import kernel_cost, memory, neighbours, order, rates, reading, wakeups
from bench.plan.claims.setting import Setting
from bench.plan.experiments import ArmName, Experiment
from bench.plan.profiles import profile

FROM_PROFILE: Final = ("storm", "burst", "chain", "hotcpu", "trickle", "stall")
"""Experiments that the quick profile runs, taken over without the baselines."""

FAMILIES: Final = (order, memory, rates, wakeups, kernel_cost, neighbours, reading)


def _of_profile(on: Setting) -> tuple[Experiment, ...]:
    """Experiments of the quick profile; how long a storm takes without a tracer is not asked."""
    known = {each.name: each for each in profile("quick", on.cpus, on.page_bytes).experiments}
    return tuple(
        replace(
            known[name],
            arms=tuple(arm for arm in known[name].arms if ArmName.parse(arm.name).budget),
        )
        for name in FROM_PROFILE
    )


def experiments(cpus: int, page_bytes: int) -> tuple[Experiment, ...]:
    """All of them, for a machine with ``cpus`` online; names of experiments and arms are unique."""
    on = Setting(cpus=cpus, page_bytes=page_bytes)
    families = (found for family in FAMILIES for found in family.experiments(on))
    return (*_of_profile(on), *families)
