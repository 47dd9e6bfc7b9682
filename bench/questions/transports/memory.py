# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Memory explained: true bytes beside what the usual instruments show, and why they differ."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median_high
from typing import Final

from bench.judge.memory import INSTRUMENTS, Judged, Worth, latest
from bench.judge.metrics import Unit
from bench.questions.transports.figures.panels import shown_arms
from bench.questions.transports.summary import Material
from bench.report.document import Cell, Mark, Row
from bench.report.units import number, size
from bench.trial.result import TrialResult

EXPLAINED: Final = {
    "true bytes": "come from the formula: a ring of D data pages takes D + 3 pages and "
    "8 x (3 + 2 D) bytes of pointers; perf buffers of P pages on each of N CPUs take N x (P + 1) "
    "pages and 8 x P bytes of pointers each",
    "mapped": "is the length of the consumer's mappings: a ring's data stands in it twice",
    "VmRSS": "counts a ring twice, since its data is mapped twice in a row; perf pages it counts "
    "or not, depending on the kernel (on 6.18 not at all)",
    "VmPin": "shows perf pages only beyond perf_event_mlock_kb, an allowance per user: nothing at "
    "small budgets, and never a ring",
    "memlock": "in fdinfo of the map: of a ring bytes on 5.10, 0 from about 5.11 and right from "
    "about 6.4; of a perf event array only the array of descriptors, never the buffers",
    "memcg": "is charged for a ring from about 5.11, for perf buffers never (but for the page "
    "tables that map them)",
    "free pages": "of the whole system agree with the formula, but only where many copies are "
    "made at once: the rest of the machine allocates too",
}
"""What each instrument reports."""

_WORTHS: Final = {
    Worth.RIGHT: Mark.GOOD,
    Worth.WRONG: Mark.OPEN,
    Worth.NOTHING: Mark.SOFT,
    Worth.UNKNOWN: Mark.SOFT,
}


def memory_rows(material: Material) -> tuple[Row, ...]:
    """Return the census where a run made one, else the trials' values, by budget.

    Each row is a transport at a budget: the budget, the true bytes, and what each of
    ``INSTRUMENTS`` reports.
    """
    looked = [line for run in material.runs for line in run.memory]
    return tuple(map(_censused, latest(looked)) if looked else _of_trials(material))


def _row(transport: str, budget_bytes: int, physical: str, *seen: Cell, reason: str = "") -> Row:
    return Row(
        heading=Cell(text=transport, transport=transport),
        cells=(Cell(text=size(budget_bytes)), Cell(text=physical), *seen),
        reason=reason,
    )


def _censused(judged: Judged) -> Row:
    line = judged.line
    return _row(
        line.transport,
        line.budget_bytes,
        number(judged.physical_bytes, Unit.BYTES),
        *(cell(judged, each.key) for each in INSTRUMENTS),
        reason="; ".join(dict.fromkeys(line.untold.values())),
    )


def cell(judged: Judged, key: str) -> Cell:
    """Return an instrument's number, marked by what it is worth."""
    value: int | None = getattr(judged.line, key)
    worth, text = judged.worths[key], number(value, Unit.BYTES)
    return Cell(
        text=f"{text} ✓" if worth is Worth.RIGHT else text,
        value=value,
        mark=_WORTHS[worth],
        hint=judged.line.untold.get(key, ""),
    )


def _of_trials(material: Material) -> Iterator[Row]:
    """Yield medians over the first experiment that has the transport at the budget."""
    arms: dict[tuple[int, str], tuple[TrialResult, ...]] = {}
    for arm in shown_arms(material):
        if not arm.variant and arm.trials[0].memory:
            arms.setdefault((arm.budget_bytes, arm.transport), arm.trials)
    for (budget_bytes, transport), trials in sorted(arms.items(), key=lambda each: each[0]):
        found = [trial.memory for trial in trials if trial.memory is not None]
        seen = []
        for each in INSTRUMENTS:
            values = [getattr(memory.observed, each.key, None) for memory in found]
            known = [value for value in values if value is not None]
            middle = median_high(known) if known else None
            seen.append(Cell(text=number(middle, Unit.BYTES), value=middle))
        yield _row(transport, budget_bytes, size(found[0].footprint.physical_bytes), *seen)
