# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A folder of journals, machine by machine, by way of its data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bench.dataset.store import DataSet
from bench.errors import JournalError
from bench.journal.files import below
from bench.journal.reader import read_journals
from bench.journal.schema import JournalContent


def contents(folder: Path, say: Callable[[str], None]) -> Iterator[JournalContent]:
    """Yield what the journals in a folder and below hold of each machine, each trial once.

    ``say`` is given what cannot be used. JournalError if there is no trial at all.
    """
    journals = below(folder, say)
    data_set = DataSet(folder)
    try:
        data_set.take_up(journals, say)
    except OSError as error:
        say(f"no data set in {folder}, so that all is read at once: {error.strerror}")
        yield read_journals(journals)
        return
    found = False
    for content in data_set.contents():
        found = found or any(run.trials for run in content.runs)
        yield content
    if not found:
        raise JournalError(
            f"no trial in {folder}",
            remedy="name a folder of journals; they end in .jsonl, .jsonl.gz",
        )
