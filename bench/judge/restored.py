# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Summarise what each way of sorting took, and left unsorted, over the trials of an arm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.measure.restoring import IDLE_NS, Sorting

_HOLD_NS: Final = {Sorting.MERGE: 0, Sorting.WATERMARK: IDLE_NS}  # a heap's depends on the trial
_SUMS: Final = ("inversions", "causal_pairs", "causal_violations")
_MEDIANS: Final = ("added_p50_ns", "added_p99_ns", "held_bytes", "cpu_s_per_million")


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
    added = arm.number(f"{by}_added_p50_ns")
    if np.isnan(added).all():
        return
    hold = arm.number("heap_hold_ns") if by is Sorting.HEAP else np.array([_HOLD_NS[by]])
    found: dict[str, Any] = {name: arm.total(f"{by}_{name}") for name in _SUMS}
    for name in _MEDIANS:
        found[name] = float(np.nanmedian(arm.number(f"{by}_{name}")))
    yield OrderRestored(
        experiment=experiment,
        arm=arm.name,
        transport=arm.name.transport,
        trials=int(np.count_nonzero(~np.isnan(added))),
        by=by,
        hold_ns=float(np.nanmedian(hold)),
        hold_most_ns=int(np.nanmax(hold)),
        **found,
    )
