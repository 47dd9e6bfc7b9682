# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Hold a set of journals of one machine and kernel: summary, trials and claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.journal.schema import JournalContent
from bench.judge.load import load_of
from bench.judge.samples import ArmSamples
from bench.plan.experiments import ArmName
from bench.questions.claims.catalogue import Judged, of_machines
from bench.questions.transports.summary import Summary
from workloads.storm import Storm

ArmKey = tuple[str, ArmName]
"""Experiment and arm, whose name is without the budget's value on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSet:
    """Hold the results of one machine and kernel."""

    summary: Summary
    judged: Judged

    def arms(self) -> Mapping[ArmKey, ArmSamples]:
        """Return every arm with a transport and trials, except second names of A/A pairs."""
        arms = self.summary.tracing_arms()
        return {(experiment, arm.name.having(actual="")): arm for experiment, arm in arms}


def journal_sets(content: JournalContent) -> tuple[JournalSet, ...]:
    """Return one for every machine and kernel, in the order of the journals."""
    found = of_machines(content)
    return tuple(JournalSet(summary=summary, judged=judged) for summary, judged in found)


def same_question(before: JournalSet, then: ArmSamples, after: JournalSet, now: ArmSamples) -> bool:
    """Return whether an arm of each set ran the same configuration under the same load.

    Workers follow the CPUs: they must agree only on machines with as many CPUs.
    """
    cpus, others = (one.summary.machine and one.summary.machine.cpus for one in (before, after))

    def bare(storm: Storm) -> Storm:
        return replace(storm, seed=0, workers=storm.workers if cpus == others else 0)

    asked = {
        (
            replace(config, budget_bytes=0, storm=bare(config.storm)),
            replace(load_of(trial), asked=bare(config.storm), at_once=None),
        )
        for arm in (then, now)
        for trial in arm.by_place.values()
        for config in (trial.config,)
    }
    return len(asked) == 1
