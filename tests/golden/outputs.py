# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compute what journals of 2026-11-22 give.

They have no duets; those of the reference have, and change when they are measured again.

A change of any of these files is listed in the commit that makes it, with its reason.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rendered import claims_json, kernels_json, run_json

from bench.journal.reader import read_journal
from bench.questions.claims.catalogue import judge
from bench.questions.claims.evidence import of_journals
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare
from bench.questions.transports import table
from bench.questions.transports.summary import compare_journals

REFERENCE: Final = Path("results/reference")
FOLDER: Final = Path(__file__).parent


def _journal(name: str) -> Path:
    return FOLDER / "journals" / f"{name}.jsonl.gz"


def _run(name: str) -> str:
    return run_json(*compare_journals(read_journal(_journal(name))))


def _claims(name: str) -> str:
    return claims_json(*map(judge, of_journals(read_journal(_journal(name)))))


def _table(name: str) -> str:
    """Return the table without histograms, which are as long as all the rest together."""
    rows = csv.DictReader(io.StringIO(table.csv(read_journal(_journal(name)))))
    columns = [column for column in rows.fieldnames or () if column != "latency_histogram"]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


OUTPUTS: Final[Mapping[str, Callable[[], str]]] = {
    "standard.json": lambda: _run("standard"),
    "standard.csv": lambda: _table("standard"),
    "claims-run.json": lambda: _run("claims"),
    "claims.json": lambda: _claims("claims"),
    "kernels.json": lambda: kernels_json(compare(read_matrix([REFERENCE / "kernels"]))),
}


def kept(name: str) -> str:
    """Return the output as it was frozen."""
    return gzip.decompress((FOLDER / f"{name}.gz").read_bytes()).decode("utf-8")
