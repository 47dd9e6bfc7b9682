# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a level-triggered poll does behind a record that is not yet committed."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Final

from bench.judge.statistics import FEWEST_BLOCKS, one_sided
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.contrast import difference, share_margin
from bench.questions.claims.evidence import Evidence, series
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.claims.quantities import empty_poll_share, empty_polls_per_event
from bench.questions.claims.rules import all_of

_SURE: Final = 0.05
_LEAST: Final = 0.1
"""Share of returns with nothing to read below which nobody would speak of spinning."""


def _behind_a_busy_head(evidence: Evidence) -> Finding:
    name = "slow-producer"
    arms = {
        words: evidence.arm(name, transport, variant)
        for words, transport, variant in (
            ("rb, delayed", "ringbuf", "delayed"),
            ("rb, prompt", "ringbuf", "prompt"),
            ("pb, delayed", "perfbuf", "delayed"),
        )
    }
    shares = {words: series(name, arm, empty_poll_share) for words, arm in arms.items()}
    margin = max(_LEAST, share_margin(evidence, empty_poll_share, name))
    ring = shares["rb, delayed"]
    contrasts = [
        difference(f"polls with nothing to read, rb delayed less {words}", ring, other, margin)
        for words, other in (("pb", shares["pb, delayed"]), ("rb prompt", shares["rb, prompt"]))
    ]
    details = [
        f"{words}: {median(series(name, arm, empty_polls_per_event).values.values()):,.2f} "
        "empty polls a record"
        for words, arm in arms.items()
    ]
    found = all_of(contrasts, details)
    if found.verdict is not Verdict.INCONCLUSIVE or found.blocks < FEWEST_BLOCKS:
        return found
    alike = min(contrasts, key=lambda one: one_sided(one.values, _LEAST)[1])
    p = min(1.0, len(contrasts) * one_sided(alike.values, _LEAST)[1])
    if p >= _SURE or alike.measured().high >= _LEAST:
        return found
    reason = f"surely less than {_LEAST:.0%} more of the returns are empty"
    return replace(found, verdict=Verdict.REFUTED, reason=reason, measured=alike.measured(), p=p)


CLAIMS: Final = (
    Claim(
        id="rb-busy-head-spins",
        side=Side.PERF,
        statement="behind a reserved, uncommitted record a level-triggered poll returns at once, "
        "again and again",
        sources="seen here, not published",
        published="none; seen here: 41,173 returns for 603 records",
        test="returns of poll with nothing to read, with and without a delay between reserve and "
        "submit on one CPU",
        reproduced_when="more of the returns are empty on rb with a delay than on pb with it, and "
        "than on rb without",
        experiments=("slow-producer",),
        judge=_behind_a_busy_head,
        cpus=2,
    ),
)
