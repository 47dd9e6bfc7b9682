# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Put judged claims into words: the figure, the reason, the count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from bench.questions.claims.catalogue import Judged
from bench.questions.claims.finding import Finding, Measured, Verdict
from bench.questions.transports.completeness import completeness, incomplete, repeats
from bench.report.document import Mark
from bench.report.units import clean, number

SIGNS: Final = {
    Verdict.REPRODUCED: "✓",
    Verdict.REFUTED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_APPLICABLE: "-",
    Verdict.NOT_MEASURED: "-",
}

MARKS: Final = {
    Verdict.REPRODUCED: Mark.GOOD,
    Verdict.REFUTED: Mark.BAD,
    Verdict.INCONCLUSIVE: Mark.OPEN,
    Verdict.NOT_APPLICABLE: Mark.SOFT,
    Verdict.NOT_MEASURED: Mark.SOFT,
}


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
    """Count claims by verdict, and say whether the run was stopped."""
    counts = Counter(each.finding.verdict for each in judged.judgements)
    parts = (f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    text = f"{incomplete(judged.coverage)}{len(judged.judgements)} claims: {', '.join(parts)}"
    if judged.reduced:
        text += f"; {judged.reduced:,} trials with reduced storms were left out"
    return text


def notes(judged: Judged) -> Iterator[str]:
    """Yield what the runs lack, and how many trials were given more than once."""
    if judged.coverage is not None:
        yield from completeness(judged.coverage)
        yield from repeats(judged.coverage.repeated)
