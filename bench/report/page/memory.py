# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Memory explained: true bytes beside what the usual instruments show, and why they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.judge.metrics import Unit
from bench.judge.samples import ArmSamples, ExperimentSamples
from bench.plan.experiments import ArmName
from bench.report.units import number, size

EXPLAINED: Final = {
    "VmRSS": "counts a ring twice, since its data is mapped twice in a row; perf pages it counts "
    "or not, depending on the kernel (on 6.18 not at all)",
    "VmPin": "shows perf pages only beyond perf_event_mlock_kb, an allowance per user: nothing at "
    "small budgets, and never a ring",
    "memlock": "in fdinfo of the map: of a ring bytes on 5.10, 0 from about 5.11 and right from "
    "about 6.4; of a perf event array only the array of descriptors, never the buffers",
    "memcg": "is charged for a ring from about 5.11, for perf buffers never",
    "true bytes": "come from the formula: a ring of D data pages takes D + 3 pages and "
    "8 x (3 + 2 D) bytes of pointers; perf buffers of P pages on each of N CPUs take N x (P + 1) "
    "pages and 8 x P bytes of pointers each",
}
"""What each instrument tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    """One transport at one budget."""

    transport: str
    budget: str
    physical: str
    data: str
    rss: str
    pinned: str
    memlock: str
    memcg: str


def memory_rows(experiments: dict[str, ExperimentSamples]) -> tuple[MemoryRow, ...]:
    """Each transport and budget once, smallest budget first: medians over its first experiment."""
    arms: dict[tuple[int, str], ArmSamples] = {}
    for samples in experiments.values():
        for arm in samples.arms.values():
            name = ArmName.parse(arm.name)
            if name.copy == 1 and not name.variant and arm.trials and arm.trials[0].memory:
                arms.setdefault((arm.trials[0].config.budget_bytes, name.transport), arm)
    return tuple(
        _row(transport, arm)
        for (_, transport), arm in sorted(arms.items(), key=lambda each: (each[0][0], each[0][1]))
    )


def _row(transport: str, arm: ArmSamples) -> MemoryRow:
    found = [trial.memory for trial in arm.trials if trial.memory is not None]
    footprint = found[0].footprint

    def middle(name: str) -> str:
        values = sorted(
            value for each in found if (value := getattr(each.observed, name)) is not None
        )
        return number(values[len(values) // 2] if values else None, Unit.BYTES)

    return MemoryRow(
        transport=transport,
        budget=size(arm.trials[0].config.budget_bytes),
        physical=size(footprint.physical_bytes),
        data=size(footprint.data_bytes),
        rss=middle("rss_bytes"),
        pinned=middle("pinned_bytes"),
        memlock=middle("memlock_bytes"),
        memcg=middle("memcg_bytes"),
    )
