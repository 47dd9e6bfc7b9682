# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about records that are discarded without a wake-up."""

from __future__ import annotations

from typing import Final

from bench.amounts import counted
from bench.judge.statistics import FEWEST_BLOCKS
from bench.linux.pages import PAGE_BYTES
from bench.plan.config import Call, Producer
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Finding, Side
from bench.questions.claims.evidence import Evidence
from bench.questions.claims.planner import Planner, experiment, trial
from bench.questions.claims.rules import INCONCLUSIVE, REFUTED, REPRODUCED
from bench.questions.transports.profiles import EPOLL, RINGBUF
from workloads.storm import Shape, Spawn, Storm

_DISCARDED: Final = "discarded"
_CALLS: Final = (Call.RESERVE, Call.DISCARD)


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return records behind silent discards, and behind none."""
    # Pauses much longer than a wake-up takes, even in an emulated guest.
    bursts = Storm(
        shape=Shape.BURST, workers=1, spawn=Spawn.FORK, burst_size=2, pause_ms=5.0, count=150
    )
    calls = {call.value: trial(bursts, EPOLL, Producer(call=call)) for call in _CALLS}
    return (
        experiment(
            _DISCARDED,
            "Is a record left without a wake-up behind one that was discarded without one?",
            on.each(16 * PAGE_BYTES, calls, (RINGBUF,)),
            twins=(),
        ),
    )


def _strands(evidence: Evidence) -> Finding:
    """Count the wake-ups that bursts raised, behind a silent discard and behind none.

    They are counted, not timed: if none is raised the reader sleeps through the whole storm, even
    on the slowest machine.
    """
    plain, behind = (evidence.arm(_DISCARDED, RINGBUF, call.value) for call in _CALLS)
    control, found = (quantities.late_records(arm.trials) for arm in (plain, behind))
    without, woken = (
        sum(trial.cost.wakeups_taken for trial in arm.trials if trial.cost)
        for arm in (plain, behind)
    )
    arms = [(_DISCARDED, plain), (_DISCARDED, behind)]
    said = f"{counted(woken, 'wake-up')} in {found.bursts:,} bursts behind a silent discard"
    control_said = f"{without:,} in {control.bursts:,} behind none"
    silent = max(0, found.bursts - woken)
    return rules.counted(
        rules.share("bursts behind a silent discard that woke nobody", silent, found.bursts),
        arms,
        (rules.fewest(arms) < FEWEST_BLOCKS or not found.bursts, *rules.TOO_FEW),
        (2 * without < control.bursts, INCONCLUSIVE, f"hardly one either way: {control_said}"),
        (not woken, REPRODUCED, f"{said}; {control_said}"),
        (2 * woken < found.bursts, INCONCLUSIVE, said),
        (True, REFUTED, f"{said}; {control_said}"),
        details=[
            f"{each.late:,} of {each.records:,} records waited for the next burst, {words}"
            for each, words in ((found, "behind a discard"), (control, "behind none"))
        ],
    )


CLAIMS: Final = (
    Side.PERF.counted(
        id="rb-discard-strands",
        statement="behind a record that was discarded without a wake-up, one that is submitted "
        "with the default flags raises none either, and waits",
        sources="kernel commit f9a80c7ce49e",
        published="documented",
        test="a discard with BPF_RB_NO_WAKEUP before each record, blocking poll; bounds "
        "rb-no-missed-wakeup",
        reproduced_when="no burst wakes the reader there, and bursts do without discards",
        experiments=(_DISCARDED,),
        rule=_strands,
    ),
)
