# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Count the torn records of each arm that checks them: one is one too many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.plan.config import Attach


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """One arm's records over the trials that count."""

    experiment: str
    arm: str
    transport: str
    attach: Attach
    scratch: bool  # records are built in a memory that two programs share
    trials: int
    delivered: int
    torn: int
    reaped: int
    missed: int  # exits that the kernel skipped its programs at


def torn(samples: ExperimentSamples) -> Iterator[Torn]:
    """Yield the sums of each arm whose records have checksums, those that tear last."""
    found = [each for arm in samples.arms.values() if (each := _sum(samples.name, arm))]
    yield from sorted(found, key=lambda e: ([*Attach].index(e.attach), e.scratch, e.transport))


def _sum(experiment: str, arm: ArmSamples) -> Torn | None:
    if np.isnan(arm.number("torn")).all():
        return None
    books = [t.ledger for t in arm.trials if t.ledger is not None and t.ledger.torn is not None]
    config = arm.config
    return Torn(
        experiment=experiment,
        arm=arm.name,
        transport=config.transport,
        attach=config.producer.attach,
        scratch=config.producer.scratch,
        trials=len(books),
        delivered=sum(book.delivered for book in books),
        torn=sum(book.torn or 0 for book in books),
        reaped=sum(book.reaped or 0 for book in books),
        missed=sum(book.missed for book in books),
    )
