# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Say how certain a decision is, and what was left out or disturbed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from bench.amounts import counted, points, share
from bench.errors import clean
from bench.judge.floor import Floor
from bench.judge.load import reduced as shortfalls
from bench.judge.metrics import Unit
from bench.judge.sharing import Contradiction, contradictions
from bench.plan.experiments import BASELINES
from bench.questions.transports.completeness import repeats
from bench.questions.transports.summary import Summary
from bench.report.document import Level, Mark, Note, Sentence
from bench.report.units import interval, point
from bench.trial.result import State, TrialResult

_FEW_NOISY: Final = 0.05
"""Share of the trials: fewer hardly change a median."""
_MOST_REASONS: Final = 3
_MOST_REDUCED: Final = 8  # named one by one
_NOISE: Final = {
    "storm_ns_per_process": "storm time",
    "latency_p50_ns": "median latency",
    "own_dropped_share": "drops",
}


def unfit(summary: Summary) -> Iterator[Sentence]:
    """Yield a sentence for each experiment and pair of arms whose storms cannot be compared."""
    yield from reduced(summary)
    for each in summary.unequal:
        yield Sentence(
            lead=clean(each.experiment),
            text=f"{clean(each.left)} and {clean(each.right)} are not compared in "
            f"{counted(each.blocks, 'block')}: their loads differ "
            f"({each.loads[0]} against {each.loads[1]}).",
        )


def reduced(summary: Summary) -> Iterator[Sentence]:
    """Yield a sentence for each experiment whose storms were smaller than requested."""
    by_experiment = defaultdict[str, list[TrialResult]](list)
    for trial in _lacking(summary):
        by_experiment[trial.experiment].append(trial)
    totals = {tally.experiment: tally.trials for tally in summary.tallies}
    for experiment, trials in by_experiment.items():
        storms = [trial.storm for trial in trials]
        remedy = "leave this machine to the measurement"
        if any(storm.lowered_from or storm.failed for storm in storms):
            remedy = "raise pids.max or RLIMIT_NPROC, or ask for fewer processes at once"
        elif any(storm.stopped_by == "seconds" for storm in storms):
            remedy = "allow more --seconds, or ask for a smaller --count"
        yield Sentence(
            lead=clean(experiment),
            text=f"{len(trials)} of {counted(totals[experiment], 'storm')} reduced, and compared "
            f"with nothing (the first: {clean('; '.join(shortfalls(trials[0])))}); {remedy}.",
        )


def _lacking(summary: Summary) -> list[TrialResult]:
    """Return the reduced trials of experiments with transports, which are to be compared.

    A calibration has no transport: its storms end by time.
    """
    compared = {
        name
        for name, each in summary.experiments.items()
        if {arm.transport for arm in each.names} - set(BASELINES)
        or {trial.config.transport for trial in each.reduced} - set(BASELINES)
    }
    return [trial for trial in summary.reduced if trial.experiment in compared]


def trouble(summary: Summary) -> Iterator[Note]:
    """Yield notes on what was left out or disturbed."""
    for line in _left_out(summary):
        yield Note(text=line, mark=Mark.OPEN)
    yield from (
        Note(text=line, mark=Mark.OPEN, level=Level.EVIDENCE) for line in _reduced_trials(summary)
    )
    for state, meaning in (("disturbed", " (the kernel skipped the tracer)"), ("noisy", "")):
        found = [
            f"{count} of {counted(each.valid + each.disturbed + each.noisy, 'trial')} of "
            f"{clean(each.experiment)}"
            for each in summary.tallies
            if (count := getattr(each, state))
        ]
        if found:
            text = f"{state}{meaning}, but counted: {', '.join(found)}"
            yield Note(text=text, mark=Mark.OPEN, level=Level.EVIDENCE)


def _left_out(summary: Summary) -> Iterator[str]:
    for trial in summary.invalid:
        yield f"invalid, left out: {_why(trial, trial.reasons)}"
    if summary.coverage is not None:
        yield from repeats(summary.coverage.repeated_trials)
    yield from (f"journal: {clean(str(fault))}" for fault in summary.faults)
    yield from map(_contradicted, contradictions(summary.comparisons))


def _reduced_trials(summary: Summary) -> Iterator[str]:
    lacking = _lacking(summary)
    for trial in lacking[:_MOST_REDUCED]:
        yield f"reduced, compared with nothing: {_why(trial, shortfalls(trial))}"
    if (more := len(lacking) - _MOST_REDUCED) > 0:
        yield f"reduced: {more} more"


def _why(trial: TrialResult, reasons: Sequence[str]) -> str:
    where = f"{clean(trial.experiment)} {clean(trial.arm)} block {trial.block}"
    return f"{where}: {clean('; '.join(reasons))}"


def _contradicted(found: Contradiction) -> str:
    """Describe how far storms of each arm alone are from the duet behind the headline."""
    (one, other), unit = (found.in_duet, found.in_blocks), Unit.TIMES
    return (
        f"contradiction: {found.label.strip()} in {clean(found.duet.experiment)} is "
        f"{point(one, unit)} ({interval(one, unit)}), with each arm alone in "
        f"{clean(found.blocks.experiment)} {point(other, unit)} ({interval(other, unit)}): "
        f"{share(found.apart)} apart"
    )


def quality(summary: Summary) -> Iterator[Sentence]:
    """Yield how certain the decision is, and whether times hold beyond this machine."""
    rows = (each.row("own_dropped_share") for each in summary.comparisons)
    blocks = [row.estimate.blocks for row in rows if row is not None and row.estimate is not None]
    balanced = f"{len(summary.invalid)} invalid and left out" if summary.invalid else "all balanced"
    if summary.reduced:
        balanced += f", {len(summary.reduced)} reduced and left out"
    span = " to ".join(map(str, sorted({min(blocks, default=0), max(blocks, default=0)})))
    yield Sentence(
        lead="Quality",
        text=f"{counted(summary.trials, 'trial')}, {balanced}; {span} "
        f"block{'s' * (span != '1')} a comparison; {_noise(summary.floors)}; {_noisy(summary)}.",
        mark=_quality_mark(summary),
    )
    if summary.counted:
        counting = "This guest's clock counted instructions"
        yield Sentence(lead=counting, text="1 ns is one, and no time.")
    elif summary.machine is not None and summary.machine.emulated:
        hold = "counts, order and memory hold, times only within it."
        yield Sentence(lead="This machine was emulated", text=hold)


def _quality_mark(summary: Summary) -> Mark:
    """Return the mark of the quality: bad if trials are invalid, open if there is noise."""
    noisy = sum(1 for _ in _noisy_trials(summary))
    if summary.invalid:
        return Mark.BAD
    quiet = summary.floors and noisy <= _FEW_NOISY * summary.trials
    return Mark.GOOD if quiet else Mark.OPEN


def _noise(floors: Sequence[Floor]) -> str:
    noise = []
    for key, words in _NOISE.items():
        if sizes := [floor.size for floor in floors if floor.metric == key]:
            most = max(sizes)
            dropped = key == "own_dropped_share"
            noise.append(f"{words} {points(most, sign='') if dropped else share(most)}")
    if not noise:
        return "no A/A comparison was run, so the noise is not known"
    return f"A/A noise (identical configurations), up to: {', '.join(noise)}"


def _noisy(summary: Summary) -> str:
    """Return how many trials were noisy, and the most frequent reasons."""
    noisy = [*_noisy_trials(summary)]
    if not noisy:
        return "no trial was noisy"
    kinds = Counter(kind_of(each) for reasons in noisy for each in dict.fromkeys(reasons))
    why = ", ".join(f"{clean(kind)}: {count}" for kind, count in kinds.most_common(_MOST_REASONS))
    part = len(noisy) / summary.trials
    those = "all trials" if part == 1 else f"{share(part)} of the trials"
    return f"{those} were noisy ({why})"


def _noisy_trials(summary: Summary) -> Iterator[Sequence[str]]:
    """Yield the reasons of each noisy trial."""
    for samples in summary.experiments.values():
        for arm in samples.arms.values():
            for state, reasons in zip(arm.columns.states(), arm.columns.reasons(), strict=True):
                if state is State.NOISY:
                    yield reasons


@lru_cache(maxsize=4096)
def kind_of(reason: str) -> str:
    """Return a trial's reason without its figures: "CPU time was stolen"."""
    words = re.sub(r" \([^)]*\)", "", reason).partition(": ")[0]
    words = re.sub(r"( for| in)? ?[\d.,]+ ?(%|s\b)?( of the time)?", " ", words)
    return " ".join(words.split()).removeprefix("of ").removesuffix(" seconds a second")
