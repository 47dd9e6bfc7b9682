# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep the brief report brief: the decision, one table and the quality of the run."""

from __future__ import annotations

import pytest
import reference
from rendered import text

from bench.questions.transports.document import document
from bench.report.document import Level, Sentence, Table

COLUMNS = 80


@pytest.mark.parametrize("profile", ["quick", "standard", "claims"])
def test_the_brief_report_fits_a_terminal(profile: str) -> None:
    summary = reference.summary(f"{profile}/journal.jsonl.gz")
    brief = document(summary).up_to(Level.DECISION)
    lines = text(brief, width=COLUMNS).splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= COLUMNS
    (table,) = (part for part in brief.parts if isinstance(part, Table))
    begin = lines.index(table.title)
    assert all(line.strip() for line in lines[begin:])
    assert len(lines) - begin <= 25
    leads = [part.lead for part in brief.parts if isinstance(part, Sentence)]
    assert len(leads) == len({*leads})
    assert "Quality" in leads
