# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the kernel's recursion guard skipped: in peace, and beside somebody's bpf() calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.judge.samples import ExperimentSamples
from bench.judge.statistics import Estimate, counted_share
from bench.questions.kernels.rows import KernelRow
from bench.trial.result import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Exits that the tracer never saw, over several trials."""

    trials: int
    exits: int  # that the generator reaped
    missed: int
    told: int | None  # by fdinfo's recursion_misses; None: this kernel does not say
    share: Estimate  # mean over trials; of none missed, the bound of the count


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """One kernel."""

    row: int
    preemption: str
    peace: Skipped | None  # None: no such trials
    noise: Skipped | None


def missed(rows: Sequence[KernelRow]) -> tuple[Missed, ...]:
    """Return every kernel with results, invalid trials left out."""
    found = []
    for at, row in enumerate(rows):
        if row.result is None:
            continue
        trials = [
            trial
            for samples in row.result.evidence.experiments.values()
            for arm in samples.arms.values()
            for trial in arm.trials
            if trial.ledger is not None
        ]
        found.append(
            Missed(
                row=at,
                preemption=row.result.machine.preemption,
                peace=_skipped(t for t in trials if not t.config.map_callers),
                noise=_skipped(t for t in trials if t.config.map_callers),
            )
        )
    return tuple(found)


def beside_callers(samples: ExperimentSamples) -> bool:
    """Whether processes made bpf() map calls beside any storm of this experiment."""
    return any(trial.config.map_callers for arm in samples.arms.values() for trial in arm.trials)


def _skipped(trials: Iterable[TrialResult]) -> Skipped | None:
    each = [
        (trial, book.missed, book.reaped)
        for trial in trials
        if (book := trial.ledger) is not None and book.reaped
    ]
    if not each:
        return None
    shares = [skipped / reaped for _, skipped, reaped in each]
    exits = sum(reaped for _, _, reaped in each)
    missed_exits = sum(skipped for _, skipped, _ in each)
    told = [trial.skipped_told for trial, _, _ in each if trial.skipped_told is not None]
    return Skipped(
        trials=len(each),
        exits=exits,
        missed=missed_exits,
        told=sum(told) if len(told) == len(each) else None,
        share=counted_share(shares, missed_exits, exits),
    )
