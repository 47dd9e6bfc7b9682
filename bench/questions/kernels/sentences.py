# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write the sentences over kernels: what was measured where, what went wrong, and total counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from bench.amounts import bound, counted
from bench.errors import clean
from bench.judge.statistics import loss_bound
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.outcome import Status
from bench.questions.transports.completeness import completeness
from bench.questions.transports.quality import reduced
from bench.questions.transports.words import cpus_words
from bench.report.document import Sentence
from bench.tracer.transports import traits

RATIOS: Final = (
    "Times of different kernels are never compared with each other. A ratio is paired within the "
    "blocks of one guest: below 1 the ring takes less."
)

INSTRUCTIONS: Final = (
    "Where instructions were counted, times are those executed on all CPUs, without caches, "
    "memory latency or contention: fewer is not quicker. Seeds are samples."
)


def subject(matrix: Matrix) -> str:
    """Name the machines and the images in a line."""
    machines = dict.fromkeys(
        f"{found.machine.hypervisor}, "
        f"{cpus_words(found.machine)}, clock {found.machine.clock_source}"
        for _, found in matrix.measured
    )
    images = dict.fromkeys(found.machine.kernel_release for _, found in matrix.measured)
    said = (counted(matrix.trials, "trial"), *machines, ", ".join(images))
    return clean("; ".join(filter(None, said)))


def verdict(matrix: Matrix) -> tuple[Sentence, ...]:
    """Return the basis of the answers in sentences."""
    parts = (_kernels, trouble, _emulated, _ledger_and_order)
    return tuple(each for part in parts for each in part(matrix))


def _kernels(matrix: Matrix) -> Iterator[Sentence]:
    measured, every = len(matrix.measured), len(matrix.rows)
    text = f"{measured} of {every} left a result"
    if measured < every:
        counts = Counter(row.status for row in matrix.rows if row.result is None)
        text += f" ({', '.join(f'{count} {clean(status)}' for status, count in counts.items())})"
    faulty = [
        f"{clean(row.label)}: {clean(row.status)}"
        for row, _ in matrix.measured
        if row.status != Status.DONE
    ]
    said = "; ".join((text, *faulty, counted(matrix.trials, "trial")))
    yield Sentence(lead="Kernels", text=said)


def trouble(matrix: Matrix) -> Iterator[Sentence]:
    """Yield what is missing from the kernels' runs, and which storms were reduced."""
    for row, result in matrix.measured:
        for line in map(str, completeness(result.summary.coverage)):
            text = f"{line[0].lower()}{line[1:].rstrip('.')}"
            yield Sentence(lead=clean(row.label), text=text)
    for row, result in matrix.measured:
        for line in map(str, reduced(result.summary)):
            yield Sentence(lead=f"Reduced on {clean(row.label)}", text=line.rstrip("."))
    if matrix.invalid:
        counts = Counter(clean(trial.kernel) for trial in matrix.invalid)
        where = ", ".join(f"{count} on {label}" for label, count in counts.items())
        text = f"{len(matrix.invalid)} of {counted(matrix.trials, 'trial')} invalid: {where}"
        yield Sentence(lead="Ledger", text=text)


def _emulated(matrix: Matrix) -> Iterator[Sentence]:
    timed = [clean(row.label) for row, _ in matrix.measured if row.emulated and not row.counted]
    counting = [clean(row.label) for row, _ in matrix.measured if row.counted]

    def which(labels: list[str]) -> str:
        return "all" if len(labels) == len(matrix.measured) else ", ".join(labels)

    if timed:
        hold = "counts, order and memory hold, times only as ratios"
        yield Sentence(lead="Emulated", text=f"{which(timed)}; {hold}")
    if counting:
        text = f"{which(counting)}; times are instructions, not ns"
        yield Sentence(lead="Instructions counted", text=text)


def _ledger_and_order(matrix: Matrix) -> Iterator[Sentence]:
    if matrix.trials and not matrix.invalid:
        yield Sentence(lead="Ledger", text="every trial balances on every kernel")
    for order in matrix.order:
        if not order.causal_pairs:
            continue
        violations = counted(order.causal_violations, "causal violation")
        text = f"{violations} in {order.causal_pairs:,} pairs"
        if not order.violating:
            most = bound(loss_bound(0, order.causal_pairs))  # upper, 95 %
            text += f" on {counted(order.kernels, 'kernel')} (at most {most})"
        elif len(order.violating) < order.kernels:
            text += f", on {', '.join(map(clean, order.violating))}"
        else:
            text += ", on every kernel"
        lead = f"{traits(order.transport).short.capitalize()}, order"
        yield Sentence(lead=lead, text=text)
