# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Express verdicts as tally, sign, number, reason or check; find the addresses of sources."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bench.amounts import counted
from bench.errors import clean
from bench.questions.claims.catalogue import Judged
from bench.questions.claims.claim import Claim, Finding, Measured, Verdict
from bench.questions.claims.expectations import Expectations, failure
from bench.questions.transports.completeness import completeness, incomplete, pooled, repeats
from bench.report.document import Check, Mark, Passing

SIGNS: Final = dict(zip(Verdict, "✓✗?--", strict=True))
SPOKEN: Final = (Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE)
"""Verdicts based on trials."""
_PASSING: Final = {Verdict.REPRODUCED: Passing.PASSED, Verdict.REFUTED: Passing.FAILED}
MARKS: Final = dict(
    zip(Verdict, (Mark.GOOD, Mark.BAD, Mark.OPEN, Mark.SOFT, Mark.SOFT), strict=True)
)
ABBREVIATIONS: Final = "rb: the ring buffer; pb: the perf buffers."
"""Abbreviations in names and statements of claims."""
SOURCES: Final = (
    "Sources: TUT is the exitsnoop tutorial, BLOG nakryiko.com, DOC the kernel's documentation, "
    "BENCH its ringbuf benchmark, LOG the history of ringbuf.c."
)
_KERNEL: Final = "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git"
_KNOWN: Final = {
    "TUT": "https://eunomia.dev/tutorials/8-exitsnoop/",
    "BLOG": "https://nakryiko.com/posts/bpf-ringbuf/",
    "DOC": "https://docs.kernel.org/bpf/ringbuf.html",
    "BENCH": f"{_KERNEL}/log/tools/testing/selftests/bpf/benchs/bench_ringbufs.c",
    "LOG": f"{_KERNEL}/log/kernel/bpf/ringbuf.c",
}
_SOURCE: Final = re.compile(
    rf"\b({'|'.join(_KNOWN)})\b|kernel commit ([0-9a-f]{{12}})|https://[^\s,;]+"
    r"|([\w.-]+/[\w.-]+)(?:#(\d+))?"
)


def figure(measured: Measured | None) -> str:
    """Return the number and its 95 % interval; "" without one."""
    return "" if measured is None else str(measured)


def reason(finding: Finding) -> str:
    """Return the reason and, for an open verdict, what would settle it."""
    text = clean(finding.reason)
    if finding.verdict is Verdict.INCONCLUSIVE and finding.further_blocks:
        more = finding.further_blocks
        blocks = "1,000 or more" if more >= 1_000 else f"about {more}"
        text += f"; {blocks} further block{'s' if more > 1 else ''} would likely settle it"
    return text


def tally(judged: Judged) -> str:
    """Count the verdicts of the claims that could be judged: "24 of 31 reproduced"."""
    counts = Counter(each.finding.verdict for each in judged.judgements)
    of = sum(counts[verdict] for verdict in SPOKEN)
    reproduced = counts.pop(Verdict.REPRODUCED, 0)
    text = f"{reproduced} of {counted(of, 'claim')} reproduced"
    if not of:
        text = f"None of {counted(len(judged.judgements), 'claim')} could be judged"
    text += "".join(f", {counts[each]} {each}" for each in SPOKEN if counts[each])
    experiments = judged.evidence.experiments.values()
    if reduced := sum(len(samples.reduced) for samples in experiments):
        text += f"; {counted(reduced, 'reduced trial was', 'reduced trials were')} left out"
    return incomplete(judged.evidence.coverage) + text


def notes(judged: Judged) -> Iterator[str]:
    """Yield what is missing from the runs, and how many trials were given more than once."""
    if (coverage := judged.evidence.coverage) is not None:
        yield from map(str, (*pooled(coverage), *completeness(coverage)))
        yield from repeats(coverage.repeated_trials)


def badge(finding: Finding) -> str:
    """Return a verdict with its sign."""
    return f"{SIGNS[finding.verdict]} {finding.verdict}"


def checks(judged: Judged, expected: Expectations, *, strict: bool) -> Iterator[Check]:
    """Yield a check of each claim; one with an expected verdict passes if it has it."""
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


def links(sources: str) -> Iterator[tuple[str, str]]:
    """Yield each source that has an address, and its address: "h2o/h2o#2800" is GitHub's."""
    for found in _SOURCE.finditer(sources):
        known, commit, repository, issue = found.groups()
        place = found[0]
        if commit:
            place = f"{_KERNEL}/commit/?id={commit}"
        elif repository:
            place = f"https://github.com/{repository}" + (f"/issues/{issue}" if issue else "")
        yield found[0], _KNOWN.get(known, place)
