# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A claim: a published statement, and the rule that judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from bench.questions.claims.evidence import Evidence, NotApplicable, NotMeasured
from bench.questions.claims.finding import Finding, Verdict


class Side(StrEnum):
    """The buffer that a claim favours: the two tables of the catalogue."""

    RING = "for the ring buffer"
    PERF = "for the perf buffer, or against the ring buffer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One published statement. The wording is bufbench's; ``sources`` say where it stands."""

    id: str
    side: Side
    statement: str
    sources: str
    published: str = "none"  # figures
    test: str
    reproduced_when: str
    experiments: tuple[str, ...]  # that it is judged by
    rule: Callable[[Evidence], Finding]
    comparative: bool = True  # corrected for how many comparisons there are; a count is not
    cpus: int = 1  # usable CPUs that it needs

    def finding(self, evidence: Evidence) -> Finding:
        """Return what ``evidence`` says, before the correction over all claims."""
        if evidence.cpus is not None and evidence.cpus < self.cpus:
            return Finding(
                verdict=Verdict.NOT_APPLICABLE,
                reason=f"needs {self.cpus} CPUs, this run had {evidence.cpus}",
            )
        try:
            return self.rule(evidence)
        except NotApplicable as lack:
            return Finding(verdict=Verdict.NOT_APPLICABLE, reason=str(lack))
        except NotMeasured:
            missing = [each for each in self.experiments if each not in evidence.experiments]
            cut = {each: len(evidence.samples(each).reduced) for each in self.experiments}
            names, how = missing, "there are no trials"
            if not missing:
                names = [each for each in self.experiments if cut[each]] or list(self.experiments)
                count = sum(cut.values())
                how = f"the storms were not the ones asked for in {count} trials"
                how = how if count else "arms are missing"
            reason = f"{how} of {', '.join(names)}"
            return Finding(verdict=Verdict.NOT_MEASURED, reason=reason)


for_ring: Final = partial(Claim, side=Side.RING)
for_perf: Final = partial(Claim, side=Side.PERF)
