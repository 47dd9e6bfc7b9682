# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A set of journals on one machine and kernel: summary, trials and claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bench.journal.schema import JournalContent
from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.plan.experiments import BASELINES, ArmName
from bench.questions.claims.catalogue import Judged, judge
from bench.questions.claims.evidence import of_journals
from bench.questions.transports.summary import Summary, compare_journals
from workloads.storm import Storm

ArmKey = tuple[str, ArmName]
"""Experiment and arm; of the arm's name without what this machine made of the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSet:
    """One machine and kernel."""

    summary: Summary
    experiments: Mapping[str, ExperimentSamples]
    judged: Judged

    def arms_of(self, experiment: str) -> Mapping[str, ArmSamples]:
        """Return the arms of an experiment by name; no arms where it was not run."""
        samples = self.experiments.get(experiment)
        return {} if samples is None else samples.arms

    def arms(self) -> Iterator[tuple[ArmKey, ArmSamples]]:
        """Yield every arm with a transport and trials, but second names of A/A pairs."""
        for samples in self.experiments.values():
            for arm in samples.arms.values():
                name = arm.name
                if name.transport not in BASELINES and name.copy == 1 and len(arm):
                    yield (samples.name, name.having(actual="")), arm


def journal_sets(content: JournalContent) -> tuple[JournalSet, ...]:
    """Return one for every machine and kernel, in the order of the journals."""
    pairs = zip(compare_journals(content), of_journals(content), strict=True)
    return tuple(
        JournalSet(summary=summary, experiments=evidence.experiments, judged=judge(evidence))
        for summary, evidence in pairs
    )


def same_question(before: JournalSet, then: ArmSamples, after: JournalSet, now: ArmSamples) -> bool:
    """Return whether an arm of each set ran the same configuration under the same load.

    Workers follow the CPUs: only on machines with as many CPUs do they have to be as many.
    """
    cpus, others = (one.summary.machine and one.summary.machine.cpus for one in (before, after))

    def bare(storm: Storm) -> Storm:
        return replace(storm, seed=0, workers=storm.workers if cpus == others else 0)

    asked = {
        (
            replace(config, budget_bytes=0, storm=bare(config.storm)),
            replace(reading.load, asked=bare(config.storm), at_once=None),
        )
        for arm in (then, now)
        for reading in arm.readings.values()
        for config in (reading.trial.config,)
    }
    return len(asked) == 1
