# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sizing: rounds of storms, each chosen by what those before it lost, until there is an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

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
Begin = Callable[[Experiment], Listener]
"""Called as a round begins; it gives what to call as each of its trials ends."""

_SCAN: Final = "size-scan"

Rungs = Sequence[tuple[str, int]]


class Runs(Protocol):
    """What runs experiments: a campaign."""

    def run(self, experiment: Experiment, listener: Listener) -> tuple[TrialResult, ...]:
        """Run all blocks of ``experiment``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for: the size at which storms of ``chosen`` lose nothing."""

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


def measure(search: Search, running: Runs, begin: Begin) -> tuple[TrialResult, ...]:
    """Run all trials that the answer rests on.

    NotBalanced if too many storms of a rung are invalid, MachineUnfit if there is no room for a
    burst.
    """
    trials: list[TrialResult] = []

    def run(name: str, rungs: Rungs, blocks: int) -> None:
        asked = experiment(name, search.chosen, rungs, blocks)
        hear = begin(asked)

        def listener(trial: TrialResult) -> None:
            _check_room(trial)
            hear(trial)

        trials.extend(running.run(asked, listener))
        _check_balance(search, rungs, trials, least=1 if name == _SCAN else search.storms)

    while rungs := _pick(search.judged(trials), next_to_scan):
        run(_SCAN, rungs, SCAN_STORMS)
    rungs = [
        (seen.ladder.transport, size)
        for seen in search.judged(trials)
        for size in around_the_edge(seen)
    ]
    blocks = search.storms
    while rungs:
        run("size", rungs, blocks)
        rungs = _pick(search.judged(trials), next_rung)
        blocks = search.storms + SCAN_STORMS  # as many as the scanned ones have by now
    return tuple(trials)


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


def _check_balance(
    search: Search, rungs: Rungs, trials: Sequence[TrialResult], *, least: int
) -> None:
    by_transport = {seen.ladder.transport: seen for seen in search.judged(trials)}
    for transport, size in rungs:
        rung = by_transport[transport].tried(size)
        if rung is None or rung.trials < least:
            raise NotBalanced(
                f"too many storms at {size} bytes of {transport} did not balance",
                remedy="see the reasons in the journal, with bufbench report",
            )
