# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The sentences that the report over kernels begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bench.amounts import counted
from bench.judge.memory import FREE_TOLERANCE, Worth
from bench.judge.statistics import loss_bound
from bench.questions.claims.claim import Verdict
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.outcome import Status
from bench.questions.kernels.profile import CALIBRATION
from bench.questions.kernels.rows import Result
from bench.questions.kernels.tables import SPOKEN
from bench.questions.transports.profiles import RINGBUF
from bench.questions.transports.standing import Question
from bench.questions.transports.words import completeness, reduced, waiting
from bench.report.units import clean, share
from bench.tracer.transports import traits

RATIOS: Final = (
    "Times of different kernels are never compared with each other. A ratio is paired within the "
    "blocks of one guest: below 1 the ring takes less."
)


def title(matrix: Matrix) -> str:
    """Name what was compared, in a line."""
    labels = [clean(row.label) for row, _ in matrix.measured]
    if not labels:
        return "No kernel left a result"
    text = "Ring buffer and perf buffers on "
    if len(labels) == 1:
        text += f"Linux {labels[0]}"
    else:
        text += f"{len(labels)} kernels, {labels[0]} to {labels[-1]}"
    coverages = [result.summary.coverage for _, result in matrix.measured]
    partly = sum(bool(each and each.incomplete) for each in coverages)
    return f"{text} ({partly} incomplete)" if partly else text


def verdict(matrix: Matrix) -> tuple[str, ...]:
    """Return the sentences of the first screen; "head: rest" each."""
    parts = (_kernels, _ledger, _order, _drops, _missed, _memory, _claims)
    return tuple(line for part in parts for line in part(matrix))


def _kernels(matrix: Matrix) -> Iterator[str]:
    measured, every = len(matrix.measured), len(matrix.rows)
    text = f"Kernels: {measured} of {every} left a result"
    if measured < every:
        counts = Counter(row.status for row in matrix.rows if row.result is None)
        text += f" ({', '.join(f'{count} {clean(status)}' for status, count in counts.items())})"
    partly = [clean(row.label) for row, _ in matrix.measured if row.status != Status.DONE]
    if partly:
        text += f", {', '.join(partly)} not all of it"
    yield f"{text}; {counted(matrix.trials, 'trial')}"
    for row, result in matrix.measured:
        for line in completeness(result.summary.coverage):
            yield f"{clean(row.label)}: {line[0].lower()}{line[1:].rstrip('.')}"
    for row, result in matrix.measured:
        # Storms of the calibration end by their time: they find out how fast a guest is.
        asked = tuple(each for each in result.summary.reduced if each.experiment != CALIBRATION)
        for line in reduced(replace(result.summary, reduced=asked)):
            yield f"Reduced on {clean(row.label)}: {line.rstrip('.')}"
    if matrix.emulated:
        emulated = [clean(row.label) for row, _ in matrix.measured if row.emulated]
        which = "all" if len(emulated) == measured else ", ".join(emulated)
        yield f"Emulated: {which}; counts, order and memory hold, times only as ratios"


def _at_most(count: int) -> str:
    """Return the upper 95 % bound of a share of which none was seen among ``count``."""
    return f"at most {share(loss_bound(0, count))}"


def _ledger(matrix: Matrix) -> Iterator[str]:
    if matrix.invalid:
        counts = Counter(clean(trial.kernel) for trial in matrix.invalid)
        where = ", ".join(f"{count} on {label}" for label, count in counts.items())
        yield f"Ledger: {len(matrix.invalid)} of {counted(matrix.trials, 'trial')} invalid: {where}"
    elif matrix.trials:
        yield "Ledger: every trial balances on every kernel"


def _order(matrix: Matrix) -> Iterator[str]:
    for order in matrix.order:
        if not order.causal_pairs:
            continue
        text = f"{traits(order.transport).short.capitalize()}, order: "
        text += (
            f"{counted(order.causal_violations, 'causal violation')} in "
            f"{order.causal_pairs:,} pairs"
        )
        if not order.violating:
            text += f" on {counted(order.kernels, 'kernel')}"
            text += f" ({_at_most(order.causal_pairs)})"
        elif len(order.violating) < order.kernels:
            text += f", on {', '.join(map(clean, order.violating))}"
        else:
            text += ", on every kernel"
        yield text


def _drops(matrix: Matrix) -> Iterator[str]:
    """Yield on which kernels one transport is better, as a whole or for some ways to wait."""
    for question, head in ((Question.DROPS, "Drops"), (Question.LATENCY, "Latency")):
        by_ending: dict[str, list[str]] = {}
        for row, result in matrix.measured:
            if (ending := _standing(result, question)) is not None:
                by_ending.setdefault(ending, []).append(clean(row.label))
        if by_ending:
            parts = (f"{ending} on {', '.join(labels)}" for ending, labels in by_ending.items())
            yield f"{head}: {'; '.join(parts)}"


def _standing(result: Result, question: Question) -> str | None:
    """Return which side this kernel's comparisons speak for, and when; None if none ask."""
    for each in result.summary.standings:
        if each.question is question and each.left == RINGBUF and each.asked:
            found = [
                f"{clean(traits(way.winner).short)} better"
                + (f" {held}" if (held := waiting(way)) else "")
                for way in each.directions
            ]
            mixed = each.for_left and each.for_right
            return ", ".join(found) or ("depends on the load" if mixed else "undecided")
    return None


def _missed(matrix: Matrix) -> Iterator[str]:
    if not matrix.missed:
        return
    idle = [(each.kernel, each.peace) for each in matrix.missed if each.peace is not None]
    hit = [(kernel, found) for kernel, found in idle if found.missed]
    exits = sum(found.reaped for _, found in idle)
    if hit:
        kernel, worst = max(hit, key=lambda each: each[1].missed_share)
        text = f"when idle the kernel skipped the tracer on {len(hit)} of "
        text += counted(len(matrix.missed), "kernel")
        text += f", at most {share(worst.missed_share)} of exits ({clean(kernel)})"
    elif exits:
        text = f"none of {exits:,} exits when idle ({_at_most(exits)})"
    else:
        text = "nothing was run when idle"
    noise = [each.noise for each in matrix.missed if each.noise is not None]
    if noise:
        shares = [each.missed_share for each in noise if each.missed]
        text += f"; beside bpf() calls on {len(shares)} of {len(noise)}"
        text += f", up to {share(max(shares))}" if shares else ""
    yield f"Missed: {text}"


def _memory(matrix: Matrix) -> Iterator[str]:
    worths = [
        (clean(row.label), judged.worths)
        for row, result in matrix.measured
        for judged in result.memory
    ]
    parts = []
    for key, what in (
        ("mapped_bytes", "mappings agree with the formulas to a page"),
        ("free_bytes", f"free pages to {FREE_TOLERANCE * 100:.0f} %"),
    ):
        bad = (Worth.WRONG, Worth.NOTHING)
        wrong = sorted({kernel for kernel, each in worths if each[key] in bad})
        unknown = sorted({kernel for kernel, each in worths if each[key] is Worth.UNKNOWN})
        tail = f" but on {', '.join(wrong)}" if wrong else " on every kernel"
        if unknown:
            tail += f"{',' if wrong else ' but'} not reported on {', '.join(unknown)}"
        parts.append(f"{what}{tail}")
    if worths:
        yield f"Memory: {'; '.join(parts)}"


def _claims(matrix: Matrix) -> Iterator[str]:
    spoken = [each for each in matrix.claims if each.together is None and each.verdicts & SPOKEN]
    if not spoken:
        return
    steady = sum(each.verdicts == {Verdict.REPRODUCED} for each in spoken)
    text = f"Claims: {steady} of {len(spoken)} reproduced on every kernel"
    if differing := [each.claim.id for each in matrix.claims if each.differs]:
        text += f"; kernels contradict each other on {', '.join(differing)}"
    yield text
