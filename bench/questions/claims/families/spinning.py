# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about a level-triggered poll behind a record that is not yet committed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.judge.statistics import FEWEST_BLOCKS, one_sided
from bench.questions.claims.claim import for_perf
from bench.questions.claims.compare import Of, less, levels
from bench.questions.claims.contrast import SURE
from bench.questions.claims.evidence import Evidence
from bench.questions.claims.finding import Finding, Verdict
from bench.questions.claims.quantities import empty_poll_share, empty_polls_per_event
from bench.questions.claims.rules import all_of

_LEAST: Final = 0.1
"""Share of returns with nothing to read below which nobody would speak of spinning."""

_ARMS: Final = {
    "rb, delayed": ("ringbuf", "delayed"),
    "rb, prompt": ("ringbuf", "prompt"),
    "pb, delayed": ("perfbuf", "delayed"),
}
_RING, _PROMPT, _PERF = (Of(empty_poll_share, "slow-producer", *arm) for arm in _ARMS.values())
_SPINS: Final = [
    less(f"polls with nothing to read, rb delayed less {words}", _RING, other, least=_LEAST)
    for words, other in (("pb", _PERF), ("rb prompt", _PROMPT))
]
_PER_RECORD: Final = levels(
    "{}: {:,.2f} empty polls a record",
    {words: Of(empty_polls_per_event, "slow-producer", *arm) for words, arm in _ARMS.items()},
)


def _behind_a_busy_head(evidence: Evidence) -> Finding:
    contrasts = [compare(evidence) for compare in _SPINS]
    found = all_of(contrasts, list(_PER_RECORD(evidence)))
    if found.verdict is not Verdict.INCONCLUSIVE or found.blocks < FEWEST_BLOCKS:
        return found
    alike = min(contrasts, key=lambda one: one_sided(one.values, _LEAST)[1])
    p = min(1.0, len(contrasts) * one_sided(alike.values, _LEAST)[1])
    if p >= SURE or alike.measured().high >= _LEAST:
        return found
    reason = f"surely less than {_LEAST:.0%} more of the returns are empty"
    return replace(found, verdict=Verdict.REFUTED, reason=reason, measured=alike.measured(), p=p)


CLAIMS: Final = (
    for_perf(
        id="rb-busy-head-spins",
        statement="behind a reserved, uncommitted record a level-triggered poll returns at once, "
        "again and again",
        sources="seen here, not published",
        published="none; seen here: 41,173 returns for 603 records",
        test="returns of poll with nothing to read, with and without a delay between reserve and "
        "submit on one CPU",
        reproduced_when="more of the returns are empty on rb with a delay than on pb with it, and "
        "than on rb without",
        experiments=("slow-producer",),
        rule=_behind_a_busy_head,
        cpus=2,
    ),
)
