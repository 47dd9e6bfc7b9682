# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sizing: rounds of storms, each chosen by what those before it lost, until there is an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
"""Run all blocks of an experiment: a campaign does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search for the size at which storms of ``chosen`` lose nothing."""

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


Round = tuple[str, Sequence[tuple[str, int]], int, int]
"""Experiment, rungs (transport and bytes), storms of each, and how many of them have to balance."""


def measure(search: Search, run: Run, begin: Callable[[Experiment], None]) -> list[TrialResult]:
    """Run all trials that the answer rests on; call ``begin`` before each round.

    NotBalanced if too many storms of a rung are invalid, MachineUnfit if there is no room for a
    burst.
    """
    trials: list[TrialResult] = []
    for name, rungs, storms, least in _rounds(search, trials):
        asked = experiment(name, search.chosen, rungs, storms)
        begin(asked)
        trials += run(asked, _check_room)
        by_transport = {seen.ladder.transport: seen for seen in search.judged(trials)}
        for transport, size in rungs:
            rung = by_transport[transport].tried(size)
            if rung is None or rung.trials < least:
                raise NotBalanced(
                    f"too many storms at {size} bytes of {transport} did not balance",
                    remedy="see the reasons in the journal, with bufbench report",
                )
    return trials


def _rounds(search: Search, trials: Sequence[TrialResult]) -> Iterator[Round]:
    """Yield each round once ``trials`` holds those before it."""
    while rungs := _pick(search.judged(trials), next_to_scan):
        yield "size-scan", rungs, SCAN_STORMS, 1
    seen = search.judged(trials)
    edge = [(each.ladder.transport, size) for each in seen for size in around_the_edge(each)]
    yield "size", edge, search.storms, search.storms
    while rungs := _pick(search.judged(trials), next_rung):
        # As many as the scanned ones have by now.
        yield "size", rungs, search.storms + SCAN_STORMS, search.storms


def _pick(
    sizings: Sequence[Sizing], choose: Callable[[Sizing], int | None]
) -> list[tuple[str, int]]:
    chosen = ((seen.ladder.transport, choose(seen)) for seen in sizings)
    return [(transport, size) for transport, size in chosen if size is not None]


def _check_room(trial: TrialResult) -> None:
    if trial.storm.lowered_from:
        raise MachineUnfit(
            f"limits on processes leave no room for {trial.storm.lowered_from:,} at once",
            remedy="raise pids.max or RLIMIT_NPROC, or take a smaller --burst",
        )
    if lacking := reduced(trial):
        raise MachineUnfit(
            f"a storm was not the one to size for: {'; '.join(lacking)}",
            remedy="leave this machine to the measurement, and raise pids.max or RLIMIT_NPROC",
        )
