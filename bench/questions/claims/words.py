# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims in words: the tally, a verdict with its sign, its number and its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from bench.amounts import counted
from bench.questions.claims.catalogue import Judged
from bench.questions.claims.claim import Finding, Measured, Verdict
from bench.questions.transports.words import completeness, incomplete, repeats
from bench.report.document import Mark
from bench.report.units import clean, number

SIGNS: Final = dict(zip(Verdict, "✓✗?--", strict=True))
SPOKEN: Final = (Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE)
"""Verdicts of a claim that trials speak to."""
MARKS: Final = dict(
    zip(Verdict, (Mark.GOOD, Mark.BAD, Mark.OPEN, Mark.SOFT, Mark.SOFT), strict=True)
)


def figure(measured: Measured | None) -> str:
    """Return the number and its 95 % interval: "19.3 (12.1 to 30.8) times"; "" without one."""
    if measured is None:
        return ""
    point, low, high = (
        number(value, measured.unit) for value in (measured.point, measured.low, measured.high)
    )
    times = " times" if measured.unit == "times" else ""
    return f"{point}{times} ({low} to {high})"


def reason(finding: Finding) -> str:
    """Say why, and where it is open, what would settle it."""
    text = clean(finding.reason)
    if finding.verdict is Verdict.INCONCLUSIVE and finding.further_blocks:
        more = finding.further_blocks
        blocks = "1,000 or more" if more >= 1_000 else f"about {more}"
        text += f"; {blocks} further block{'s' if more > 1 else ''} would likely settle it"
    return text


def tally(judged: Judged) -> str:
    """Say how many of the claims that could be judged came out how: "24 of 31 reproduced"."""
    counts = Counter(each.finding.verdict for each in judged.judgements)
    of = sum(counts[verdict] for verdict in SPOKEN)
    reproduced = counts.pop(Verdict.REPRODUCED, 0)
    text = f"{reproduced} of {counted(of, 'claim')} reproduced"
    if not of:
        text = f"None of {counted(len(judged.judgements), 'claim')} could be judged"
    text += "".join(f", {counts[each]} {each}" for each in SPOKEN if counts[each])
    if judged.reduced:
        text += f"; {counted(judged.reduced, 'reduced trial was', 'reduced trials were')} left out"
    return incomplete(judged.coverage) + text


def notes(judged: Judged) -> Iterator[str]:
    """Yield what the runs lack, and how many trials were given more than once."""
    if judged.coverage is not None:
        yield from completeness(judged.coverage)
        yield from repeats(judged.coverage.repeated)


def badge(finding: Finding) -> str:
    """Return a verdict with its sign."""
    return f"{SIGNS[finding.verdict]} {finding.verdict}"
