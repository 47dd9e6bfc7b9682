# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run one trial, from its configuration to its result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from bench.linux import procfs
from bench.measure import by_cpu
from bench.measure.ledger import Ledger
from bench.plan.experiments import BASELINES, Arm
from bench.record.counters import CpuCounters
from bench.trial.assess import assess, state_of
from bench.trial.observation import Passage
from bench.trial.observe import observe, observe_bare
from bench.trial.result import Conditions, State, TrialResult, shortfall
from bench.trial.rig import Rig


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Place a trial in its experiment."""

    experiment: str
    block: int
    position: int


class Start(NamedTuple):
    """Hold when a trial began, and the CPU time that had been used by then."""

    utc: str
    cpu: procfs.CpuTimes


def begin(rig: Rig) -> Start:
    """Begin a trial."""
    rig.log.forget()  # earlier messages
    return Start(datetime.now(UTC).isoformat(timespec="milliseconds"), procfs.cpu_times())


def end(
    rig: Rig,
    start: Start,
    arm: Arm,
    place: Slot,
    passage: Passage,
    *,
    counters: Sequence[CpuCounters] = (),
) -> TrialResult:
    """Return what is known of a trial whose storm is over, before its records are measured."""
    return TrialResult(
        **asdict(place),
        arm=arm.name,
        config=arm.config,
        started_utc=start.utc,
        storm=passage.storm,
        conditions=Conditions(
            **asdict(passage.competition),
            steal_share=procfs.cpu_times().steal_share_since(start.cpu),
            load_1m=os.getloadavg()[0],
            other_exits=sum(each.exits - each.own_exits for each in counters),
            kernel_complaints=rig.log.complaints(),
            away_ns=passage.away_ns,
            neighbours=passage.neighbours,
            unbuffered=by_cpu.without_buffer(counters, passage.offline),
        ),
        state=State.VALID,
    )


def judged(trial: TrialResult, account: Ledger | None) -> TrialResult:
    """Return the trial with its state by this account, and the reasons."""
    state, reasons = state_of(account, trial.conditions, shortfall(trial.config.storm, trial.storm))
    return replace(trial, state=state, reasons=reasons)


def run_trial(rig: Rig, arm: Arm, place: Slot) -> TrialResult:
    """Run one trial and measure it. BufbenchError if there is nothing to measure."""
    start = begin(rig)
    if arm.config.transport in BASELINES:
        return judged(end(rig, start, arm, place, observe_bare(rig, arm.config)), None)
    seen = observe(rig, arm.config)
    trial = end(rig, start, arm, place, seen.passage, counters=seen.counters)
    # One block is enough for charts, and keeps the journal small.
    trial = assess(trial, seen, with_timeline=place.block == 0)
    return judged(trial, trial.ledger)
