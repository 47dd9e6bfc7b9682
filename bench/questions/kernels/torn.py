# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report torn records on each kernel, by what the tracer's programs are attached to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.judge.sums import Torn, torn
from bench.questions.kernels.rows import Result
from bench.questions.transports.tables import columns
from bench.questions.transports.torn import HINT, words
from bench.questions.transports.words import listed
from bench.report.document import NONE, Cell, Column, Mark, Row, Sentence, Table
from bench.report.units import clean
from bench.tracer.transports import traits


@dataclass(frozen=True, slots=True, kw_only=True)
class TornOn:
    """Hold one kernel's arms whose records have checksums."""

    kernel: str
    preemption: str
    arms: tuple[Torn, ...]


def torn_on(results: Mapping[str, Result]) -> tuple[TornOn, ...]:
    """Return the sums of every kernel that has such arms."""
    found = (
        TornOn(
            kernel=kernel,
            preemption=result.machine.preemption,
            arms=tuple(
                e for samples in result.evidence.experiments.values() for e in torn(samples)
            ),
        )
        for kernel, result in results.items()
    )
    return tuple(each for each in found if each.arms)


def sentences(found: Sequence[TornOn]) -> Iterator[Sentence]:
    """Yield on which kernels records were torn, and how many."""
    for on in found:
        arms = [
            f"{arm.torn:,} of {arm.delivered:,} records of {traits(arm.transport).title} "
            f"on a {words(arm)}"
            for arm in on.arms
            if arm.torn
        ]
        if arms:
            of = f"{on.kernel}, preemption {on.preemption}"
            yield Sentence(lead=clean(f"Torn on {of}"), text=clean(f"{listed(arms)}."))
    if clear := [on.kernel for on in found if not any(arm.torn for arm in on.arms)]:
        yield Sentence(lead="Torn", text=clean(f"no record on {listed(clear)}."))


def table(found: Sequence[TornOn]) -> Table:
    """Tabulate kernels by arms: torn of delivered, and exits that the kernel skipped."""
    arms = {
        on.kernel: {f"{traits(e.transport).short}, {words(e)}": e for e in on.arms} for on in found
    }
    names = dict.fromkeys(name for of_kernel in arms.values() for name in of_kernel)
    cells = {on.kernel: [_cell(arms[on.kernel].get(name)) for name in names] for on in found}
    rows = (
        Row(
            heading=Cell(text=clean(on.kernel)),
            cells=(Cell(text=clean(on.preemption)), *cells[on.kernel]),
        )
        for on in found
    )
    return Table(
        key="torn",
        title="Torn records of those delivered, by what the programs are attached to",
        corner="kernel",
        columns=(Column(heading="preemption"), *columns(*map(clean, names))),
        rows=tuple(rows),
        hint=HINT,
    )


def _cell(found: Torn | None) -> Cell:
    if found is None:
        return Cell(text=NONE)
    return Cell(
        text=f"{found.torn:,} of {found.delivered:,}",
        value=found.torn,
        mark=Mark.OPEN if found.torn else Mark.NONE,
        hint=f"{found.missed:,} of {found.reaped:,} exits skipped",
    )
