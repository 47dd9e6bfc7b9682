# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run one trial, from its configuration to its result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bench.linux import procfs
from bench.measure import by_cpu
from bench.plan.experiments import BASELINES, Arm
from bench.record.counters import CpuCounters
from bench.trial.assess import assess, state_of
from bench.trial.observation import Passage
from bench.trial.observe import observe, observe_bare
from bench.trial.result import Conditions, State, TrialResult
from bench.trial.rig import Rig
from bench.trial.shortfall import shortfall


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in its experiment a trial stands."""

    experiment: str
    block: int
    position: int


def run_trial(rig: Rig, arm: Arm, place: Place) -> TrialResult:
    """Run one trial and measure it. BufbenchError where there is nothing to measure."""
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    rig.log.forget()  # what was said before
    before = procfs.cpu_times()
    seen = None if arm.config.transport in BASELINES else observe(rig, arm.config)
    passage = observe_bare(rig, arm.config) if seen is None else seen.passage
    result = TrialResult(
        experiment=place.experiment,
        arm=arm.name,
        block=place.block,
        position=place.position,
        config=arm.config,
        started_utc=started,
        storm=passage.storm,
        conditions=conditions_of(rig, before, passage, seen.counters if seen else ()),
        state=State.VALID,
    )
    if seen is not None:
        # One block is enough to look at, and keeps the journal small.
        result = assess(result, seen, with_timeline=place.block == 0)
    lacking = shortfall(arm.config.storm, passage.storm)
    state, reasons = state_of(result.ledger, result.conditions, lacking)
    return replace(result, state=state, reasons=reasons)


def conditions_of(
    rig: Rig,
    before: procfs.CpuTimes,
    passage: Passage,
    counters: Sequence[CpuCounters] = (),
) -> Conditions:
    """Return the conditions of a storm that began after ``before`` and is over."""
    met = passage.competition
    return Conditions(
        steal_share=procfs.cpu_times().steal_share_since(before),
        load_1m=os.getloadavg()[0],
        other_exits=sum(each.exits - each.own_exits for each in counters),
        kernel_complaints=rig.log.complaints(),
        away_ns=passage.away_ns,
        neighbours=passage.neighbours,
        unbuffered=by_cpu.without_buffer(counters, passage.offline),
        foreign_cpus=met.foreign_cpus,
        foreign_cpus_error=met.sampling_error_cpus,
        stalled=met.stalled,
        throttled_s=met.throttled_s,
    )
