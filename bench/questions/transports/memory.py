# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Memory explained: true bytes beside what the usual instruments show, and why they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench.judge import memory as judge
from bench.judge.memory import INSTRUMENTS, Judged, Worth
from bench.judge.metrics import Unit
from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.plan.experiments import ArmName
from bench.questions.transports.summary import Material
from bench.record.footprint import MemoryLine
from bench.report.document import Cell, Mark
from bench.report.units import number, size

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

WORTHS: Final = {
    Worth.RIGHT: Mark.GOOD,
    Worth.WRONG: Mark.OPEN,
    Worth.NOTHING: Mark.SOFT,
    Worth.UNKNOWN: Mark.SOFT,
}

LABELS: Final = tuple(each.label for each in INSTRUMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    """One transport at one budget; a cell is a size and how right it is."""

    transport: str
    budget: str
    physical: str
    cells: tuple[Cell, ...]  # in the order of LABELS
    note: str = ""


def memory_rows(material: Material) -> tuple[MemoryRow, ...]:
    """Return the census where a run made one, else the trials' values, by budget."""
    looked = [line for run in material.runs for line in run.memory]
    return census_rows(looked) if looked else tuple(_of_trials(material.summary.experiments))


def census_rows(lines: Iterable[MemoryLine]) -> tuple[MemoryRow, ...]:
    """Return each transport and budget once."""
    return tuple(_censused(each) for each in judge.latest(lines))


def _censused(judged: Judged) -> MemoryRow:
    line = judged.line
    return MemoryRow(
        transport=line.transport,
        budget=size(line.budget_bytes),
        physical=number(judged.physical_bytes, Unit.BYTES),
        cells=tuple(cell(judged, each.key) for each in INSTRUMENTS),
        note="; ".join(dict.fromkeys(line.untold.values())),
    )


def cell(judged: Judged, key: str) -> Cell:
    """Return an instrument's number, marked by what it is worth."""
    value: int | None = getattr(judged.line, key)
    worth, text = judged.worths[key], number(value, Unit.BYTES)
    return Cell(
        text=f"{text} ✓" if worth is Worth.RIGHT else text,
        value=value,
        mark=WORTHS[worth],
        hint=judged.line.untold.get(key, ""),
    )


def _of_trials(experiments: Mapping[str, ExperimentSamples]) -> Iterator[MemoryRow]:
    """Yield medians over the first experiment that has the transport at the budget."""
    arms: dict[tuple[int, str], ArmSamples] = {}
    for samples in experiments.values():
        for arm in samples.arms.values():
            name = ArmName.parse(arm.name)
            if name.copy == 1 and not name.variant and arm.trials and arm.trials[0].memory:
                arms.setdefault((arm.trials[0].config.budget_bytes, name.transport), arm)
    for (budget_bytes, transport), arm in sorted(arms.items(), key=lambda each: each[0]):
        found = [trial.memory for trial in arm.trials if trial.memory is not None]
        seen = [_middle([getattr(each.observed, key, None) for each in found]) for key in _KEYS]
        yield MemoryRow(
            transport=transport,
            budget=size(budget_bytes),
            physical=size(found[0].footprint.physical_bytes),
            cells=tuple(Cell(text=number(value, Unit.BYTES), value=value) for value in seen),
        )


_KEYS: Final = tuple(each.key for each in INSTRUMENTS)


def _middle(values: list[int | None]) -> int | None:
    known = sorted(value for value in values if value is not None)
    return known[len(known) // 2] if known else None
