# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""All that a set of journals says of one machine and kernel: summary, trials and claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bench.journal.schema import JournalContent
from bench.judge.claims.catalogue import Judged, judge
from bench.judge.claims.journals import of_journals
from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.judge.summary import Summary, compare_journals
from bench.plan.config import TrialConfig
from bench.plan.experiments import BASELINES, ArmName

ArmKey = tuple[str, str]
"""Experiment and arm; of the arm's name without what this machine made of the budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSet:
    """One machine and kernel."""

    summary: Summary
    experiments: Mapping[str, ExperimentSamples]
    judged: Judged

    def arms(self) -> Iterator[tuple[ArmKey, ArmSamples]]:
        """Every arm with a transport and trials, second names of A/A pairs left out."""
        for samples in self.experiments.values():
            for arm in samples.arms.values():
                name = ArmName.parse(arm.name)
                if name.transport not in BASELINES and name.copy == 1 and arm.trials:
                    yield (samples.name, str(replace(name, actual=""))), arm


def journal_sets(content: JournalContent) -> tuple[JournalSet, ...]:
    """One for every machine and kernel, in the order of the journals."""
    pairs = zip(compare_journals(content), of_journals(content), strict=True)
    return tuple(
        JournalSet(summary=summary, experiments=evidence.experiments, judged=judge(evidence))
        for summary, evidence in pairs
    )


def same_question(ours: TrialConfig, theirs: TrialConfig) -> bool:
    """Whether two configurations ask the same, each of its own machine: workers follow the CPUs."""

    def asked(config: TrialConfig) -> TrialConfig:
        return replace(config, budget_bytes=0, storm=replace(config.storm, workers=0, seed=0))

    return asked(ours) == asked(theirs)
