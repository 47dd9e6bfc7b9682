# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A finding: the verdict on one claim, and everything that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bench.judge.metrics import Unit
from bench.judge.samples import Place


class Verdict(StrEnum):
    """What a claim comes out as."""

    REPRODUCED = "reproduced"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"  # the kernel or the machine lacks something
    NOT_MEASURED = "not measured"  # an experiment was not run

    @property
    def settled(self) -> bool:
        """Return whether more blocks would change nothing."""
        return self is not Verdict.INCONCLUSIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The number that decided, with the bounds of its 95 % interval."""

    what: str  # a description, "delivered a second, rb over pb"
    unit: Unit
    point: float
    low: float
    high: float
    bound: float  # what the interval was held against
    blocks: tuple[float, ...] = ()  # the number in every block; () where it is not one of blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Trials of one arm that a finding rests on, by run and block."""

    experiment: str
    arm: str
    trials: tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict and its reasons."""

    verdict: Verdict
    reason: str
    measured: Measured | None = None
    blocks: int = 0
    p: float | None = None  # comparative claims: of the verdict being chance, before correction
    further_blocks: int | None = None  # inconclusive: how many more would likely settle it
    details: tuple[str, ...] = ()
    rests_on: tuple[Basis, ...] = ()
