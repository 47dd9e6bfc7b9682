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
from bench.questions.transports.words import completeness, cpus_words, reduced
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


def verdict(matrix: Matrix) -> tuple[str, ...]:
    """Return what the answers rest on in sentences; "head: rest" each."""
    parts = (_kernels, trouble, _emulated, _ledger_and_order)
    return tuple(line for part in parts for line in part(matrix))


def _kernels(matrix: Matrix) -> Iterator[str]:
    measured, every = len(matrix.measured), len(matrix.rows)
    text = f"Kernels: {measured} of {every} left a result"
    if measured < every:
        counts = Counter(row.status for row in matrix.rows if row.result is None)
        text += f" ({', '.join(f'{count} {clean(status)}' for status, count in counts.items())})"
    faulty = [
        f"{clean(row.label)}: {clean(row.status)}"
        for row, _ in matrix.measured
        if row.status != Status.DONE
    ]
    yield "; ".join((text, *faulty, counted(matrix.trials, "trial")))


def trouble(matrix: Matrix) -> Iterator[str]:
    """Yield what is missing from the kernels' runs, and which storms were reduced."""
    for row, result in matrix.measured:
        for line in completeness(result.summary.coverage):
            yield f"{clean(row.label)}: {line[0].lower()}{line[1:].rstrip('.')}"
    for row, result in matrix.measured:
        for line in reduced(result.summary):
            yield f"Reduced on {clean(row.label)}: {line.rstrip('.')}"
    if matrix.invalid:
        counts = Counter(clean(trial.kernel) for trial in matrix.invalid)
        where = ", ".join(f"{count} on {label}" for label, count in counts.items())
        yield f"Ledger: {len(matrix.invalid)} of {counted(matrix.trials, 'trial')} invalid: {where}"


def _emulated(matrix: Matrix) -> Iterator[str]:
    timed = [clean(row.label) for row, _ in matrix.measured if row.emulated and not row.counted]
    counting = [clean(row.label) for row, _ in matrix.measured if row.counted]

    def which(labels: list[str]) -> str:
        return "all" if len(labels) == len(matrix.measured) else ", ".join(labels)

    if timed:
        yield f"Emulated: {which(timed)}; counts, order and memory hold, times only as ratios"
    if counting:
        yield f"Instructions counted: {which(counting)}; times are instructions, not ns"


def _ledger_and_order(matrix: Matrix) -> Iterator[str]:
    if matrix.trials and not matrix.invalid:
        yield "Ledger: every trial balances on every kernel"
    for order in matrix.order:
        if not order.causal_pairs:
            continue
        violations = counted(order.causal_violations, "causal violation")
        text = f"{traits(order.transport).short.capitalize()}, order: "
        text += f"{violations} in {order.causal_pairs:,} pairs"
        if not order.violating:
            most = bound(loss_bound(0, order.causal_pairs))  # upper, 95 %
            text += f" on {counted(order.kernels, 'kernel')} (at most {most})"
        elif len(order.violating) < order.kernels:
            text += f", on {', '.join(map(clean, order.violating))}"
        else:
            text += ", on every kernel"
        yield text
