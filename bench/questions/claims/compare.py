# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define comparisons as data: which numbers of which arms a rule compares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from statistics import median
from typing import Final

from bench.judge.numbers import Take
from bench.judge.samples import ArmSamples
from bench.judge.statistics import Scale
from bench.questions.claims import contrast
from bench.questions.claims.contrast import Contrast, ratio_margin, share_margin, sides
from bench.questions.claims.evidence import Evidence, Series, series
from bench.questions.transports.profiles import PERFBUF, RINGBUF

WAYS: Final = {"rb": RINGBUF, "pb": PERFBUF}
"""The transports' names in words about a comparison."""

ContrastOf = Callable[[Evidence], Contrast]
ContrastsOf = Sequence[ContrastOf] | Callable[[Evidence], Iterable[Contrast]]
Detail = Callable[[Evidence], Iterable[str]]
"""Returns lines beside a verdict; NotMeasured if an arm has no trials."""
Form = Callable[[str, float], str]
"""Formats a name and its number, like ``str.format``."""


@dataclass(frozen=True, slots=True)
class Of:
    """Take a number of one arm, by block."""

    take: Take
    experiment: str
    transport: str
    variant: str = ""
    budget: str = ""
    _: KW_ONLY
    before: Of | None = None  # replaces it, for journals without the arm

    def here(self, evidence: Evidence) -> Of:
        """Return this, or its replacement."""
        if self.before is None:
            return self
        arms = evidence.arms(
            self.experiment, self.transport, variant=self.variant, budget=self.budget
        )
        return self if arms else self.before

    def arm(self, evidence: Evidence) -> ArmSamples:
        """Return the arm, or its replacement; NotMeasured if it has no trials."""
        here = self.here(evidence)
        return evidence.arm(here.experiment, here.transport, here.variant, here.budget)

    def __call__(self, evidence: Evidence) -> Series:
        """Return the number in every block; NotMeasured if there is none."""
        one = self.here(evidence)
        return series(one.experiment, one.arm(evidence), one.take)

    def median(self, evidence: Evidence) -> float:
        """Return the median over blocks."""
        return median(self(evidence).values.values())

    def taking(self, take: Take) -> Of:
        """Return another number of the same arm."""
        before = self.before and self.before.taking(take)
        return replace(self, take=take, before=before)


def both(take: Take, experiment: str, *variants: str) -> dict[str, Of]:
    """Return the number of the ring, "rb", and the perf buffers; of variants, "rb, delayed"."""
    return {
        f"{words}, {variant}" if len(variants) > 1 else words: Of(take, experiment, way, variant)
        for words, way in WAYS.items()
        for variant in variants or ("",)
    }


def over(what: str, *parts: Of, margin: float | None = None) -> ContrastOf:
    """Compare a / b, or (a / b) / (c / d); by default the margin is how much twins differ."""

    def compare(evidence: Evidence) -> Contrast:
        one, held = parts[0].here(evidence), margin
        if held is None:
            held = ratio_margin(evidence, one.take, one.experiment)
        return contrast.ratio(what, *(part(evidence) for part in parts), margin=held)

    return compare


def less(what: str, left: Of, right: Of, *, least: float = 0.0) -> ContrastOf:
    """Compare two shares by difference; the margin is how much twins differ, or ``least``.

    For two shares at one budget, how much twins of that budget differ.
    """
    budget = left.budget if left.budget == right.budget else ""
    return lambda evidence: contrast.difference(
        what,
        left(evidence),
        right(evidence),
        margin=max(least, share_margin(evidence, left.take, left.experiment, budget=budget)),
    )


def alone(what: str, part: Of) -> ContrastOf:
    """Compare a share with none."""
    return lambda evidence: contrast.difference(what, part(evidence))


def contrasts(comparisons: ContrastsOf, evidence: Evidence) -> list[Contrast]:
    """Return the contrasts of ``comparisons``."""
    if callable(comparisons):
        return list(comparisons(evidence))
    return [compare(evidence) for compare in comparisons]


def form(words: str, write: Callable[[float], str]) -> Form:
    """Return a function that puts a name, and its number written by ``write``, into ``words``."""
    return lambda name, value: words.format(name, write(value))


def levels(
    form: Form, parts: Mapping[str, Of], beside: Of | None = None, scale: Scale = Scale.RATIO
) -> Detail:
    """Return a line for each part: its median, or its centre as paired with ``beside``."""

    def lines(evidence: Evidence) -> Iterable[str]:
        for words, part in parts.items():
            if beside is None:
                yield form(words, part.median(evidence))
            else:
                yield form(words, sides(part(evidence), beside(evidence), scale)[0])

    return lines


def grown(form: Form, parts: Mapping[str, Of], growth: ContrastOf, *, paired: int) -> Detail:
    """Return a line for each of a, b, c, d, such that (a / b) / (c / d) agrees with ``growth``.

    The two from ``paired`` on (0 or 2) have their centres in pairs.
    """

    def lines(evidence: Evidence) -> Iterable[str]:
        values = [part(evidence) for part in parts.values()]
        found = [median(each.values.values()) for each in values]
        found[paired : paired + 2] = sides(values[paired], values[paired + 1])
        grows = growth(evidence).estimate.point
        rises = found[paired] / found[paired + 1] * (grows if paired else 1 / grows)
        found[2 - paired] = found[3 - paired] * rises
        yield from map(form, parts, found)

    return lines


def said(comparison: ContrastOf) -> Detail:
    """Return a line for a comparison that decides nothing."""
    return lambda evidence: [str(comparison(evidence))]
