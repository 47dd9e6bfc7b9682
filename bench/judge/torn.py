# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Count the torn records of each arm that checks them: one is one too many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.plan.config import Attach

_SUMS: Final = ("delivered", "torn", "reaped", "missed")


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
    known = ~np.isnan(arm.number("torn"))
    if not known.any():
        return None
    sums = {name: int(np.nansum(arm.number(name)[known])) for name in _SUMS}
    return Torn(
        experiment=experiment,
        arm=arm.name,
        transport=arm.config.transport,
        attach=arm.config.producer.attach,
        scratch=arm.config.producer.scratch,
        trials=int(np.count_nonzero(known)),
        **sums,
    )
