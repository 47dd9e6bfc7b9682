# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Comparisons as data: which numbers of which arms a rule compares, once there is evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from bench.judge.samples import ArmSamples
from bench.questions.claims.contrast import (
    Contrast,
    difference,
    ratio_margin,
    ratio_of_ratios,
    share_margin,
    sides,
)
from bench.questions.claims.evidence import Evidence, Series, Take, series

Comparison = Callable[[Evidence], Contrast]
Detail = Callable[[Evidence], Iterable[str]]
"""Lines that stand beside a verdict."""


@dataclass(frozen=True, slots=True)
class Of:
    """A number of one arm, by block."""

    take: Take
    experiment: str
    transport: str
    variant: str = ""
    budget: str = ""

    def arm(self, evidence: Evidence) -> ArmSamples:
        """Return the arm; NotMeasured if it has no trials."""
        return evidence.arm(self.experiment, self.transport, self.variant, self.budget)

    def __call__(self, evidence: Evidence) -> Series:
        """Return the number in every block; NotMeasured if there is none."""
        return series(self.experiment, self.arm(evidence), self.take)

    def median(self, evidence: Evidence) -> float:
        """Return the median over blocks."""
        return median(self(evidence).values.values())


def over(what: str, *parts: Of, margin: float | None = None) -> Comparison:
    """Compare a / b, or (a / b) / (c / d); the margin is the noise floor unless given."""

    def compare(evidence: Evidence) -> Contrast:
        values = [part(evidence) for part in parts]
        held = margin
        if held is None:
            held = ratio_margin(evidence, parts[0].take, parts[0].experiment)
        return ratio_of_ratios(what, values, held)

    return compare


def less(what: str, left: Of, right: Of, *, least: float = 0.0) -> Comparison:
    """Compare two shares by difference; the margin is the noise floor, but at least ``least``."""
    return lambda evidence: difference(
        what,
        left(evidence),
        right(evidence),
        max(least, share_margin(evidence, left.take, left.experiment)),
    )


def levels(form: str, parts: Mapping[str, Of], beside: Of | None = None) -> Detail:
    """Return a line for each part: its median, or where it lies as paired with ``beside``."""

    def lines(evidence: Evidence) -> Iterable[str]:
        for words, part in parts.items():
            level = (
                part.median(evidence)
                if beside is None
                else sides(part(evidence), beside(evidence))[0]
            )
            yield form.format(words, level)

    return lines
