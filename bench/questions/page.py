# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Make the documents of a page: each machine's comparison, and its claims if any was tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import bench.questions.claims.document as claims
import bench.questions.transports.document as transports
from bench.journal.schema import JournalContent
from bench.questions.claims.catalogue import Judged, of_machines
from bench.questions.claims.claim import Verdict
from bench.questions.transports.summary import Places, Summary
from bench.report.document import Document, TrialSet

_NOTHING_SAID: Final = (Verdict.NOT_MEASURED, Verdict.NOT_APPLICABLE)


OfMachine = tuple[str, tuple[Document, ...]]
"""A machine's name and its documents."""


def documents(content: JournalContent, places: Places) -> tuple[Document, ...]:
    """Return the documents of every machine, in the order of the journals."""
    return together(by_machine(content, places))


def by_machine(content: JournalContent, places: Places) -> list[OfMachine]:
    """Return every machine and its documents, in the order of the journals."""
    found = of_machines(content)
    return [(_name(summary), tuple(_of(summary, judged, places))) for summary, judged in found]


def together(found: Sequence[OfMachine]) -> tuple[Document, ...]:
    """Return the documents of all machines; where these are several, each names its own."""
    return tuple(
        each if len(found) == 1 else replace(each, short=f"{name}: {each.short}")
        for name, documents in found
        for each in documents
    )


def _name(summary: Summary) -> str:
    machine = summary.machine
    return f"{machine.hostname} {machine.kernel_release}" if machine is not None else "?"


def _of(summary: Summary, judged: Judged, places: Places) -> Iterator[Document]:
    found = [transports.document(summary, places)]
    claimed = {run.header.profile for run in summary.runs} == {"claims"}
    if claimed or any(each.finding.verdict not in _NOTHING_SAID for each in judged.judgements):
        bases = {basis for each in judged.judgements for basis in each.finding.rests_on}
        lines = {basis: _lines(basis, summary, places) for basis in bases}
        found.append(claims.document(judged, lines))
    yield from reversed(found) if claimed else found


def _lines(basis: TrialSet, summary: Summary, places: Places) -> str:
    """Return the lines of journals that a basis comes from: "quick.jsonl, lines 3, 9, 12"."""
    if (arm := summary.arms(basis.experiment).get(basis.arm)) is None:
        return ""
    trials = arm.by_place
    by_file: dict[str, list[int]] = {}
    for where in basis.trials:
        if where in trials and (line := places.get(id(trials[where]))):
            by_file.setdefault(line.path, []).append(line.number)
    return "; ".join(
        f"{path}, lines {', '.join(map(str, sorted(numbers)))}" for path, numbers in by_file.items()
    )
