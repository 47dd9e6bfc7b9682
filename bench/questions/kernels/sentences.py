# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a matrix of kernels says, in sentences: the report begins with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from bench.judge.memory import FREE_TOLERANCE, Worth
from bench.judge.statistics import loss_bound
from bench.questions.claims.finding import Verdict
from bench.questions.kernels.changes import Change, compared_within
from bench.questions.kernels.folders import DONE
from bench.questions.kernels.matrix import Matrix
from bench.questions.kernels.profile import CALIBRATION
from bench.questions.kernels.rows import KernelRow
from bench.questions.transports.completeness import completeness
from bench.questions.transports.profiles import RINGBUF
from bench.questions.transports.sentence import waiting
from bench.questions.transports.standing import Question
from bench.questions.transports.words import reduced
from bench.report.units import clean, share
from bench.tracer.transports import traits

RATIOS: Final = (
    "Times of different kernels are never held against each other. A ratio is paired within the "
    "blocks of one guest: below 1 the ring takes less."
)


_SPOKEN: Final = (Verdict.REPRODUCED, Verdict.REFUTED, Verdict.INCONCLUSIVE)


def title(matrix: Matrix) -> str:
    """Say what was compared, in a line."""
    labels = [clean(row.label) for row in matrix.measured]
    if not labels:
        return "No kernel left a result"
    if len(labels) == 1:
        text = f"Ring buffer and perf buffers on Linux {labels[0]}"
    else:
        text = f"Ring buffer and perf buffers on {len(labels)} kernels, {labels[0]} to {labels[-1]}"
    partly = sum(
        bool(row.result and row.result.summary.coverage and row.result.summary.coverage.incomplete)
        for row in matrix.measured
    )
    return f"{text} ({partly} incomplete)" if partly else text


def verdict(matrix: Matrix) -> tuple[str, ...]:
    """Return the sentences of the first screen; "head: rest" each."""
    return (
        *_kernels(matrix),
        *_balance(matrix),
        *_order(matrix),
        *_drops(matrix),
        *_missed(matrix),
        *_memory(matrix),
        *_claims(matrix),
    )


def _kernels(matrix: Matrix) -> Iterator[str]:
    measured, every = len(matrix.measured), len(matrix.rows)
    text = f"Kernels: {measured} of {every} left a result"
    if measured < every:
        counts = Counter(row.status for row in matrix.rows if row.result is None)
        text += f" ({', '.join(f'{count} {clean(status)}' for status, count in counts.items())})"
    partly = [clean(row.label) for row in matrix.measured if row.status != DONE]
    if partly:
        text += f", {', '.join(partly)} not all of it"
    yield f"{text}; {matrix.trials:,} trials"
    yield from _incomplete(matrix)
    yield from _reduced(matrix)
    if matrix.emulated:
        emulated = [clean(row.label) for row in matrix.measured if row.emulated]
        which = "all" if len(emulated) == measured else ", ".join(emulated)
        yield f"Emulated: {which}; counts, order and memory hold, times only as ratios"


def _incomplete(matrix: Matrix) -> Iterator[str]:
    """Say what kernels planned and did not run, and what was pooled."""
    for row in matrix.measured:
        found = row.result.summary.coverage if row.result is not None else None
        for line in completeness(found):
            yield f"{clean(row.label)}: {line[0].lower()}{line[1:].rstrip('.')}"


def _reduced(matrix: Matrix) -> Iterator[str]:
    """Name the storms that were not the ones asked for, and enter nothing.

    Those of the calibration end by their time: they find out how fast a guest is.
    """
    for row in matrix.measured:
        if row.result is not None:
            summary = row.result.summary
            asked = tuple(each for each in summary.reduced if each.experiment != CALIBRATION)
            for line in reduced(replace(summary, reduced=asked)):
                yield f"Reduced on {clean(row.label)}: {line.rstrip('.')}"


def _at_most(count: int) -> str:
    """Return the upper 95 % bound of a share of which none was seen among ``count``."""
    return share(loss_bound(0, count))


def _balance(matrix: Matrix) -> Iterator[str]:
    if not matrix.invalid:
        if matrix.trials:
            yield "Ledger: every trial balances on every kernel"
        return
    counts = Counter(clean(label) for label, _ in matrix.invalid)
    where = ", ".join(f"{count} on {label}" for label, count in counts.items())
    yield f"Ledger: {len(matrix.invalid)} of {matrix.trials:,} trials are invalid: {where}"


def _order(matrix: Matrix) -> Iterator[str]:
    for order in matrix.order:
        if not order.pairs:
            continue
        name = traits(order.transport).short.capitalize()
        text = f"{name}, order: {order.violations:,} causal violations in {order.pairs:,} pairs"
        if order.violating and len(order.violating) < order.kernels:
            text += f", on {', '.join(map(clean, order.violating))}"
        elif order.violating:
            text += ", on every kernel"
        else:
            text += f" on {order.kernels} kernel{'s' if order.kernels > 1 else ''}"
            text += f" (at most {_at_most(order.pairs)})"
        yield text


def _drops(matrix: Matrix) -> Iterator[str]:
    """Yield on which kernels one transport is better, as a whole or for some ways to wait."""
    for question, words in ((Question.DROPS, "Drops"), (Question.LATENCY, "Latency")):
        by_ending: dict[str, list[str]] = {}
        for row in matrix.measured:
            won = _standing(row, question)
            if won is not None:
                by_ending.setdefault(won, []).append(clean(row.label))
        if by_ending:
            parts = (f"{what} on {', '.join(labels)}" for what, labels in by_ending.items())
            yield f"{words}: {'; '.join(parts)}"


def _standing(row: KernelRow, question: Question) -> str | None:
    """Return which side this kernel's comparisons speak for, and when; None if none ask."""
    if row.result is None:
        return None
    for each in row.result.summary.standings:
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
    peace = [each for each in matrix.missed if each.peace is not None and each.peace.missed]
    noise = [each for each in matrix.missed if each.noise is not None]
    if not matrix.missed:
        return
    if peace:
        worst = max(peace, key=lambda each: each.peace.share.point if each.peace else 0.0)
        found = worst.peace
        text = (
            f"Missed: in peace the kernel skipped the tracer on {len(peace)} of "
            f"{len(matrix.missed)} kernels"
        )
        if found is not None:
            text += f", at most {share(found.share.point)} of exits"
            text += f" ({clean(matrix.rows[worst.row].label)})"
    else:
        exits = sum(each.peace.exits for each in matrix.missed if each.peace is not None)
        text = "Missed: nothing was run in peace"
        if exits:
            text = f"Missed: none of {exits:,} exits in peace (at most {_at_most(exits)})"
    if noise:
        hit = [each for each in noise if each.noise is not None and each.noise.missed]
        text += f"; beside bpf() calls on {len(hit)} of {len(noise)}"
        if hit:
            shares = [each.noise.share.point for each in hit if each.noise is not None]
            text += f", up to {share(max(shares))}"
    yield text


def _memory(matrix: Matrix) -> Iterator[str]:
    worths = [
        (clean(row.label), judged.worths)
        for row in matrix.measured
        if row.result is not None
        for judged in row.result.memory
    ]
    if not worths:
        return
    wrong = {
        key: sorted({label for label, each in worths if each[key] in (Worth.WRONG, Worth.NOTHING)})
        for key in ("mapped_bytes", "free_bytes")
    }
    parts = []
    for key, what in (
        ("mapped_bytes", "mappings agree with the formulas to a page"),
        ("free_bytes", f"free pages to {FREE_TOLERANCE * 100:.0f} %"),
    ):
        untold = sorted({label for label, each in worths if each[key] is Worth.UNTOLD})
        tail = f" but on {', '.join(wrong[key])}" if wrong[key] else " on every kernel"
        if untold:
            tail += f"{',' if wrong[key] else ' but'} not told on {', '.join(untold)}"
        parts.append(f"{what}{tail}")
    yield f"Memory: {'; '.join(parts)}"


def _claims(matrix: Matrix) -> Iterator[str]:
    spoken = [
        each
        for each in matrix.claims
        if each.together is None
        and any(found is not None and found.verdict in _SPOKEN for found in each.findings)
    ]
    if not spoken:
        return
    differing = [each.claim.id for each in matrix.claims if each.differs]
    steady = [
        each.claim.id
        for each in spoken
        if {found.verdict for found in each.findings if found is not None} == {Verdict.REPRODUCED}
    ]
    text = f"Claims: {len(steady)} of {len(spoken)} reproduced on every kernel"
    if differing:
        text += f"; kernels contradict each other on {', '.join(differing)}"
    yield text


def onsets(
    rows: Sequence[KernelRow], changes: Sequence[Change]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return kernels at which something changed, in their order, and what."""
    found: dict[int, list[str]] = {}
    for change in changes:
        for at in change.onsets:
            words = f"{change.fact.title}: {step(change, at, rows)}"
            found.setdefault(at, []).append(words)
    return tuple((clean(rows[at].label), tuple(found[at])) for at in sorted(found))


def step(change: Change, at: int, rows: Sequence[KernelRow]) -> str:
    """Say from what to what a state changed at row ``at``."""
    before = next(
        (
            (rows[index].label, state)
            for index in range(at - 1, -1, -1)
            if (state := change.states[index]) is not None
            and compared_within(change.fact, rows[index]) == compared_within(change.fact, rows[at])
        ),
        ("", ""),
    )
    now = clean(change.states[at] or "")
    text = f"{clean(before[1])} on {clean(before[0])}, now {now}"
    return f"{text} (published: {change.fact.published})" if change.fact.published else text
