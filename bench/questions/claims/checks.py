# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Verdicts as checks, for programs: what was expected, else what is reproduced, passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bench.questions.claims.catalogue import Judged
from bench.questions.claims.claim import Claim, Finding, Verdict
from bench.questions.claims.expectations import Expectations, failure
from bench.questions.claims.words import figure, reason
from bench.report.document import Check, Passing

_PASSING: Final = {Verdict.REPRODUCED: Passing.PASSED, Verdict.REFUTED: Passing.FAILED}


def checks(judged: Judged, expected: Expectations, *, strict: bool) -> Iterator[Check]:
    """Yield a check of each claim; one that is expected passes if it came out so."""
    for each in judged.judgements:
        made, wanted = check(each.claim, each.finding), expected.get(each.claim.id)
        if wanted is not None:
            passed = Passing.PASSED if each.finding.verdict is wanted else Passing.SKIPPED
            failed = failure(expected, each, strict=strict)
            outcome = Passing.FAILED if failed else passed
            made = replace(made, outcome=outcome, text=f"expected {wanted}; {made.text}")
        yield made


def check(claim: Claim, finding: Finding) -> Check:
    """Return the verdict for programs: reproduced is passed, refuted is failed."""
    said = ", ".join(filter(None, (figure(finding.measured), reason(finding))))
    return Check(
        name=claim.id,
        outcome=_PASSING.get(finding.verdict, Passing.SKIPPED),
        text=f"{finding.verdict}: {said}",
    )
