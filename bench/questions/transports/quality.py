# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The quality of a run: its balance, its noise, and what disturbed it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from bench.amounts import counted
from bench.judge.floor import Floor
from bench.questions.transports.summary import Summary
from bench.report.units import clean, share
from bench.trial.result import State

_MOST_REASONS: Final = 3


def quality(summary: Summary) -> Iterator[str]:
    """Yield how sure the decision is, and whether times hold beyond this machine."""
    rows = (each.row("own_dropped_share") for each in summary.comparisons)
    blocks = [row.estimate.blocks for row in rows if row is not None and row.estimate is not None]
    balanced = f"{len(summary.invalid)} invalid and left out" if summary.invalid else "all balanced"
    if summary.reduced:
        balanced += f", {len(summary.reduced)} reduced and left out"
    span = " to ".join(map(str, sorted({min(blocks, default=0), max(blocks, default=0)})))
    yield (
        f"Quality: {counted(summary.trials, 'trial')}, {balanced}; {span} blocks a comparison; "
        f"{_noise(summary.floors)}; {_noisy(summary)}."
    )
    if summary.machine is not None and summary.machine.counts_instructions:
        yield "This guest's clock counted instructions: 1 ns is one, and no time."
    elif summary.machine is not None and summary.machine.emulated:
        yield "This machine was emulated: counts, order and memory hold, times only within it."


def _noise(floors: Sequence[Floor]) -> str:
    noise = []
    for key, words in (
        ("storm_ns_per_process", "storm time"),
        ("latency_p50_ns", "median latency"),
        ("own_dropped_share", "drops"),
    ):
        most = max((floor.size for floor in floors if floor.metric == key), default=None)
        if most is not None:
            points = f"{100 * most:.1f} points"
            noise.append(f"{words} {points if key == 'own_dropped_share' else share(most)}")
    if not noise:
        return "no A/A comparison was run, so the noise is not known"
    return f"A/A noise (identical configurations), up to: {', '.join(noise)}"


def _noisy(summary: Summary) -> str:
    """Return how many trials were noisy, and the most frequent reasons."""
    noisy = [
        reasons
        for samples in summary.experiments.values()
        for arm in samples.arms.values()
        for state, reasons in zip(arm.columns.states(), arm.columns.reasons(), strict=True)
        if state is State.NOISY
    ]
    if not noisy:
        return "no trial was noisy"
    kinds = Counter(kind_of(each) for reasons in noisy for each in dict.fromkeys(reasons))
    why = ", ".join(f"{clean(kind)}: {count}" for kind, count in kinds.most_common(_MOST_REASONS))
    part = len(noisy) / summary.trials
    those = "all trials" if part == 1 else f"{share(part)} of the trials"
    return f"{those} were noisy ({why})"


@lru_cache(maxsize=4096)
def kind_of(reason: str) -> str:
    """Return a trial's reason without its figures: "CPU time was stolen"."""
    words = re.sub(r" \([^)]*\)", "", reason).partition(": ")[0]
    words = re.sub(r"( for| in)? ?[\d.,]+ ?(%|s\b)?( of the time)?", " ", words)
    return " ".join(words.split()).removeprefix("of ").removesuffix(" seconds a second")
