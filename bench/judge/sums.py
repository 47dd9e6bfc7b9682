# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sum over the trials of an arm: torn records, and the cost and result of each way of sorting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.measure.restoring import Sorting
from bench.plan.config import Attach

_SORTED: Final = ("inversions", "causal_pairs", "causal_violations")
_MEDIANS: Final = ("added_p50_ns", "added_p99_ns", "held_bytes", "cpu_s_per_million")
_CHECKED: Final = ("delivered", "torn", "reaped", "missed")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRestored:
    """Summarise an arm's records sorted in one way: counts are sums over trials, others medians."""

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
    hold = arm.number("heap_hold_ns") if by.hold_ns is None else np.array([by.hold_ns])
    found: dict[str, Any] = {name: arm.total(f"{by}_{name}") for name in _SORTED}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """Count one arm's torn records over the trials that count."""

    experiment: str
    arm: str
    transport: str
    attach: Attach
    scratch: bool  # records are built in memory that two programs share
    trials: int
    delivered: int
    torn: int
    reaped: int
    missed: int  # exits at which the kernel skipped its programs


def torn(samples: ExperimentSamples) -> Iterator[Torn]:
    """Yield the sums of each arm whose records have checksums, those that tear last."""
    found = [each for arm in samples.arms.values() if (each := _sum(samples.name, arm))]
    yield from sorted(found, key=lambda e: ([*Attach].index(e.attach), e.scratch, e.transport))


def _sum(experiment: str, arm: ArmSamples) -> Torn | None:
    if np.isnan(arm.number("torn")).all():
        return None
    # From trials, not columns: a data set has no column for what so few trials record.
    books = [t.ledger for t in arm.trials if t.ledger is not None and t.ledger.torn is not None]
    sums = {name: sum(getattr(book, name) or 0 for book in books) for name in _CHECKED}
    return Torn(
        experiment=experiment,
        arm=arm.name,
        transport=arm.config.transport,
        attach=arm.config.producer.attach,
        scratch=arm.config.producer.scratch,
        trials=len(books),
        **sums,
    )
