# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read and judge the reference journals once for all tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from bench.journal.reader import read_journals
from bench.journal.schema import JournalContent
from bench.questions.transports.summary import Summary, compare_journals

FOLDER: Final = Path(__file__).parents[1] / "results/reference"
OLD: Final = "../../tests/golden/journals/standard.jsonl.gz"
"""A run before there were duets, which stays what it is."""

JOURNALS: Final = tuple(
    str(path.relative_to(FOLDER))
    for pattern in ("*/journal.jsonl.gz", "kernels/*/journal.jsonl")
    for path in sorted(FOLDER.glob(pattern))
)


@cache
def content(journal: str) -> JournalContent:
    return read_journals([FOLDER / journal])


@cache
def summary(journal: str) -> Summary:
    (found,) = compare_journals(content(journal))
    return found
