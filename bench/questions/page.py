# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The documents of a page: the comparison of each machine, and its claims where any was tested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import bench.questions.claims.document as claims
import bench.questions.transports.document as transports
from bench.journal.schema import JournalContent
from bench.questions.claims.catalogue import judge
from bench.questions.claims.claim import Verdict
from bench.questions.claims.evidence import Evidence, of_journals
from bench.questions.transports.summary import Places, Summary, compare_journals
from bench.report.document import Document, TrialSet

_NOTHING_SAID: Final = (Verdict.NOT_MEASURED, Verdict.NOT_APPLICABLE)


def documents(content: JournalContent, places: Places) -> tuple[Document, ...]:
    """Return the documents of every machine, in the order of the journals."""
    pairs = list(zip(compare_journals(content), of_journals(content), strict=True))
    return tuple(
        document if len(pairs) == 1 else replace(document, short=_short(document, summary))
        for summary, evidence in pairs
        for document in _of(summary, evidence, places)
    )


def _short(document: Document, summary: Summary) -> str:
    machine = summary.machine
    where = f"{machine.hostname} {machine.kernel_release}" if machine is not None else "?"
    return f"{where}: {document.short}"


def _of(summary: Summary, evidence: Evidence, places: Places) -> Iterator[Document]:
    found = [transports.document(summary, places)]
    judged = judge(evidence)
    claimed = {run.header.profile for run in summary.runs} == {"claims"}
    if claimed or any(each.finding.verdict not in _NOTHING_SAID for each in judged.judgements):
        bases = {basis for each in judged.judgements for basis in each.finding.rests_on}
        lines = {basis: _lines(basis, summary, places) for basis in bases}
        found.append(claims.document(judged, lines))
    yield from reversed(found) if claimed else found


def _lines(basis: TrialSet, summary: Summary, places: Places) -> str:
    """Return the lines of journals that a basis stands in: "quick.jsonl, lines 3, 9, 12"."""
    samples = summary.experiments.get(basis.experiment)
    if samples is None or basis.arm not in samples.arms:
        return ""
    readings = samples.arms[basis.arm].readings
    by_file: dict[str, list[int]] = {}
    for where in basis.trials:
        if where in readings and (line := places.get(id(readings[where].trial))):
            by_file.setdefault(line.path, []).append(line.number)
    return "; ".join(
        f"{path}, lines {', '.join(map(str, sorted(numbers)))}" for path, numbers in by_file.items()
    )
