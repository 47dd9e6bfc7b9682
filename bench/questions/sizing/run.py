# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run rounds of storms, each chosen by the losses of earlier ones, until there is an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.errors import MachineUnfit, NotBalanced
from bench.judge.load import reduced
from bench.plan.config import TrialConfig
from bench.plan.experiments import Experiment
from bench.questions.sizing.judge import (
    SCAN_STORMS,
    Sizing,
    around_the_edge,
    next_rung,
    next_to_scan,
    sizing,
)
from bench.questions.sizing.plan import experiment
from bench.trial.result import TrialResult

Listener = Callable[[TrialResult], None]
Run = Callable[[Experiment, Listener], Sequence[TrialResult]]
"""Runs all blocks of an experiment, like a campaign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Search for the size at which storms of ``chosen`` lose nothing."""

    chosen: TrialConfig  # without transport and budget
    rungs_bytes: Mapping[str, tuple[int, ...]]  # by transport, ascending
    storms: int  # of each rung around the edge
    tolerated: float
    margin: float

    def judged(self, trials: Sequence[TrialResult]) -> tuple[Sizing, ...]:
        """Judge each transport after ``trials``."""
        return tuple(
            sizing(name, trials, sizes, tolerated=self.tolerated, margin=self.margin)
            for name, sizes in self.rungs_bytes.items()
        )


def measure(search: Search, run: Run, begin: Callable[[Experiment], None]) -> list[TrialResult]:
    """Run all trials that the answer needs; call ``begin`` before each round.

    NotBalanced if too many storms of a rung are invalid, MachineUnfit for one that was reduced.
    """
    trials: list[TrialResult] = []

    def add(name: str, rungs: Sequence[tuple[str, int]], storms: int, least: int) -> None:
        """Run ``storms`` storms of each rung, of which ``least`` must balance."""
        planned = experiment(name, search.chosen, rungs, storms)
        begin(planned)
        trials.extend(run(planned, check_load))
        by_transport = {seen.transport: seen for seen in search.judged(trials)}
        for transport, size in rungs:
            rung = by_transport[transport].tried(size)
            if rung is None or rung.trials < least:
                raise NotBalanced(
                    f"too many storms at {size} bytes of {transport} did not balance",
                    remedy="see the reasons in the journal, with bufbench report",
                )

    while rungs := _pick(search.judged(trials), next_to_scan):
        add("size-scan", rungs, SCAN_STORMS, 1)
    seen = search.judged(trials)
    edge = [(each.transport, size) for each in seen for size in around_the_edge(each)]
    add("size", edge, search.storms, search.storms)
    while rungs := _pick(search.judged(trials), next_rung):
        # As many as the scanned ones have by now.
        add("size", rungs, search.storms + SCAN_STORMS, search.storms)
    return trials


def _pick(
    sizings: Sequence[Sizing], choose: Callable[[Sizing], int | None]
) -> list[tuple[str, int]]:
    chosen = ((seen.transport, choose(seen)) for seen in sizings)
    return [(transport, size) for transport, size in chosen if size is not None]


def check_load(trial: TrialResult) -> None:
    """Raise MachineUnfit for a storm that is not the requested load."""
    if lacking := reduced(trial):
        smaller = ", or take a smaller --burst" if trial.storm.lowered_from else ""
        raise MachineUnfit(
            f"a storm was not the requested load: {'; '.join(lacking)}",
            remedy="leave this machine to the measurement, and raise pids.max or RLIMIT_NPROC"
            + smaller,
        )
