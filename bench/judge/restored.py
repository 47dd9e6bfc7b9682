# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Order restored: what each way of sorting took and left over the trials of an arm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.measure.restoring import Sorting


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRestored:
    """One arm's records, sorted in one way: counts are sums over trials, the others medians."""

    experiment: str
    arm: str
    transport: str
    trials: int
    by: Sorting
    hold_ns: float
    hold_most_ns: int  # of the trial that needed most
    added_p50_ns: float
    added_p99_ns: float
    held_bytes: float
    cpu_s_per_million: float
    inversions: int
    causal_pairs: int
    causal_violations: int


def restored(samples: ExperimentSamples) -> Iterator[OrderRestored]:
    """Yield every way of sorting of each arm that has them."""
    for arm in samples.arms.values():
        if not arm.held_up:
            for by in Sorting:
                yield from _over(samples.name, arm, by)


def _over(experiment: str, arm: ArmSamples, by: Sorting) -> Iterator[OrderRestored]:
    found = [each for trial in arm.trials for each in trial.restored if each.by is by]
    if not found:
        return
    yield OrderRestored(
        experiment=experiment,
        arm=arm.name,
        transport=arm.name.transport,
        trials=len(found),
        by=by,
        hold_ns=median(each.hold_ns for each in found),
        hold_most_ns=max(each.hold_ns for each in found),
        added_p50_ns=median(each.added_p50_ns for each in found),
        added_p99_ns=median(each.added_p99_ns for each in found),
        held_bytes=median(each.held_bytes for each in found),
        cpu_s_per_million=median(each.cpu_s_per_million for each in found),
        inversions=sum(each.inversions for each in found),
        causal_pairs=sum(each.causal_pairs for each in found),
        causal_violations=sum(each.causal_violations for each in found),
    )
