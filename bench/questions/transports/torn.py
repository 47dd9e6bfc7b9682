# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show torn records, in a sentence and a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.errors import clean
from bench.judge.sums import Torn
from bench.plan.config import Attach
from bench.questions.transports.words import listed, name
from bench.report.document import Cell, Level, Row, Sentence, Table
from bench.report.table import columns, row, unwanted
from bench.tracer.transports import traits

KINDS: Final = {
    Attach.TRACEPOINT: "perf tracepoint",
    Attach.RAW: "raw tracepoint",
    Attach.TP_BTF: "tracepoint by BTF",
}
HINT: Final = (
    "Two programs share the work; with a scratch they build their records in one memory of each "
    "CPU. Torn: delivered, but not what the program meant to send; counted as delivered, not as "
    "dropped, and used for no other number. Skipped: the kernel does not run a program that it has "
    "preempted on the same CPU."
)


def words(found: Torn) -> str:
    """Return "raw tracepoint with a scratch"."""
    return f"{KINDS[found.attach]}{' with a scratch' if found.scratch else ''}"


def sentence(found: Sequence[Torn]) -> Sentence:
    """Return how many records were torn, and on which arms, in a sentence."""
    said = [
        f"{e.torn:,} of {e.delivered:,} records of {name(e.transport)} on a {words(e)}"
        for e in found
        if e.torn
    ]
    whole = sum(e.delivered for e in found if not e.torn)
    rest = f"; none of the other arms' {whole:,}" if whole else ""
    none = f"none of {whole:,} records, on any of {len(found)} arms."
    return Sentence(lead="Torn", text=f"{listed(said)}{rest}." if said else none)


def table(found: Sequence[Torn]) -> Table:
    """Tabulate each arm's records."""
    return Table(
        key="torn",
        title="Torn records, by what the programs are attached to",
        corner="arm",
        columns=columns("trials", "delivered", "torn", "exits skipped"),
        rows=tuple(map(_row, found)),
        hint=HINT,
        level=Level.EVIDENCE,
    )


def _row(found: Torn) -> Row:
    arm = clean(f"{traits(found.transport).short}, {words(found)}")
    heading = Cell(text=arm, transport=found.transport)
    return row(heading, found.trials, found.delivered, unwanted(found.torn), found.missed)
