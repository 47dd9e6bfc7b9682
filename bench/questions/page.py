# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The documents of a page: the comparison of each machine, and its claims where any was tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import bench.questions.claims.document as claims
import bench.questions.transports.document as transports
from bench.journal.reader import Line
from bench.journal.schema import JournalContent
from bench.questions.claims.catalogue import judge
from bench.questions.claims.evidence import Basis, Evidence, of_journals
from bench.questions.transports.summary import Material, materials
from bench.report.document import Document


def documents(content: JournalContent, places: Mapping[int, Line]) -> tuple[Document, ...]:
    """Return the documents of every machine, in the order of the journals."""
    pairs = list(zip(materials(content, places), of_journals(content), strict=True))
    return tuple(
        document if len(pairs) == 1 else replace(document, short=_short(document, material))
        for material, evidence in pairs
        for document in _of(material, evidence)
    )


def _short(document: Document, material: Material) -> str:
    machine = material.summary.machine
    where = f"{machine.hostname} {machine.kernel_release}" if machine is not None else "?"
    return f"{where}: {document.short}"


def _of(material: Material, evidence: Evidence) -> Iterator[Document]:
    found = [transports.document(material.summary, material)]
    judged = judge(evidence)
    judgements = judged.judgements
    if any(name in evidence.experiments for j in judgements for name in j.claim.experiments):
        bases = {basis for each in judgements for basis in each.finding.rests_on}
        lines = {basis: _lines(basis, material) for basis in bases}
        found.append(claims.document(judged, lines))
    claimed = {run.header.profile for run in material.runs} == {"claims"}
    yield from reversed(found) if claimed else found


def _lines(basis: Basis, material: Material) -> str:
    """Return the lines of journals that a basis stands in: "quick.jsonl, lines 3, 9, 12"."""
    samples = material.summary.experiments.get(basis.experiment)
    if samples is None or basis.arm not in samples.arms:
        return ""
    readings = samples.arms[basis.arm].readings
    by_file: dict[str, list[int]] = {}
    for where in basis.trials:
        if where in readings and (line := material.places.get(id(readings[where].trial))):
            by_file.setdefault(line.path, []).append(line.number)
    return "; ".join(
        f"{path}, lines {', '.join(map(str, sorted(numbers)))}" for path, numbers in by_file.items()
    )
