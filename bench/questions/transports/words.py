# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write the words of reports: machines, transports, comparisons, what is missing, quality."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from bench.amounts import bound, counted, points, share, size
from bench.errors import clean
from bench.judge.comparison import Bottleneck, Comparison, Outcome
from bench.judge.floor import LEAST_MARGIN, Floor
from bench.judge.ladder import Ladder
from bench.judge.load import reduced as shortfalls
from bench.judge.metrics import Unit
from bench.judge.sharing import Contradiction, contradictions
from bench.judge.statistics import FEWEST_BLOCKS
from bench.linux.machine import Machine
from bench.plan.config import Poll
from bench.plan.experiments import BASELINES, LADDER_STORMS
from bench.questions.transports.coverage import PlanData
from bench.questions.transports.standing import Direction
from bench.questions.transports.summary import Summary
from bench.report.document import Level, Mark, Note, Sentence
from bench.report.units import budget, interval, number, point
from bench.tracer.transports import traits
from bench.trial.result import State, TrialResult

_FEW_NOISY: Final = 0.05
"""Share of the trials: fewer hardly change a median."""
_MOST_REASONS: Final = 3
_MOST_REDUCED: Final = 8  # named one by one
_MOST_NAMED: Final = 10
_NOISE: Final = {
    "storm_ns_per_process": "storm time",
    "latency_p50_ns": "median latency",
    "own_dropped_share": "drops",
}
_WAITING: Final = {
    Poll.EPOLL: "waiting on epoll",
    Poll.BUSY: "busy polling",
    Poll.TIMED: "draining by a timer",
    Poll.STOPPED: "reading only after the storm",
    Poll.EDGE: "waiting on edge-triggered epoll",
    Poll.EDGE_BARE: "waiting on edge-triggered epoll without a barrier",
}


_SAYS: Final = {
    "own_dropped_share": {
        Outcome.LESS: "{left} dropped less than {right}, {against}",
        Outcome.MORE: "{left} dropped more than {right}, {against}",
        Outcome.TOO_FEW: "{left} dropped {against} of {right} "
        f"(fewer than {FEWEST_BLOCKS} blocks)",
        Outcome.UNDECIDED: "{left} dropped {against} of {right}, undecided ({seen})",
    },
    "latency_p50_ns": {
        Outcome.LESS: "{left} delivered sooner (median latency {against}{lossy})",
        Outcome.MORE: "{left} delivered later (median latency {against}{lossy})",
        Outcome.TOO_FEW: "median latency was {against}{lossy}",
        Outcome.EQUIVALENT: f"both delivered as soon within {bound(LEAST_MARGIN)} "
        "(median latency {against}{lossy})",
        Outcome.UNDECIDED: "which delivers sooner is undecided "
        "(median latency {against}{lossy}, {seen})",
    },
    "write_ns": {
        Outcome.LESS: "{left} took less time to write ({against})",
        Outcome.MORE: "{left} took longer to write ({against})",
        Outcome.UNDECIDED: "a write took {against} ({seen})",
    },
    "physical_bytes": {Outcome.UNDECIDED: "{left} took {first} of memory against {second}"},
}
"""Words for a number, by its outcome; other outcomes use those of an undecided one."""
_SAYS_COUNTED: Final = _SAYS | {
    "latency_p50_ns": {
        Outcome.LESS: "{left} delivered after fewer instructions (median latency {against}{lossy})",
        Outcome.MORE: "{left} delivered after more instructions (median latency {against}{lossy})",
        Outcome.TOO_FEW: "median latency was {against}{lossy}",
        Outcome.EQUIVALENT: "both delivered after as many instructions within "
        f"{bound(LEAST_MARGIN)} (median latency {{against}}{{lossy}})",
        Outcome.UNDECIDED: "which delivers after fewer instructions is undecided "
        "(median latency {against}{lossy}, {seen})",
    },
    "write_ns": {
        Outcome.LESS: "{left} took fewer instructions to write ({against})",
        Outcome.MORE: "{left} took more instructions to write ({against})",
        Outcome.UNDECIDED: "a write took {against} ({seen})",
    },
}
"""The same where instructions are counted: fewer are not quicker."""

_LACKED: Final = {
    Bottleneck.BUFFER: "space, not CPU: the consumer was mostly idle but woke too late",
    Bottleneck.CONSUMER: "CPU, not space: the consumer never rested",
}


def machine_words(machine: Machine | None) -> str:
    """Describe the machine in one line."""
    if machine is None:
        return "machine not known"
    return clean(
        f"{machine.hostname}: Linux {machine.kernel_release}, {cpus_words(machine)} "
        f"({machine.cpu_model}), preemption {machine.preemption}, clock {machine.clock_source}, "
        f"virtualisation {machine.hypervisor}"
    )


def cpus_words(machine: Machine) -> str:
    """Return how many CPUs a run had, and which of how many if it could not use all of them."""
    words = counted(machine.cpus_online, "CPU")
    if machine.usable_cpus != machine.online_cpus:
        words = f"CPUs {machine.usable_cpus} of {machine.online_cpus}"
    return words if machine.cpu_quota is None else f"{words} (quota {machine.cpu_quota:g})"


def name(transport: str) -> str:
    """Return the transport's name in sentences: "the ring buffer"."""
    return clean(traits(transport).title)


def opening(text: str) -> str:
    """Return ``text`` with a capital first letter; the others stay, as in "CPU"."""
    return f"{text[0].upper()}{text[1:]}"


def listed(parts: Sequence[str]) -> str:
    """Return "a, b and c"; "" for none."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def few_storms(ladder: Ladder) -> str:
    """Return why the least budget of ``ladder`` is unknown: too few storms on its highest rung."""
    top = ladder.rungs[-1]
    none = f"none of {counted(top.trials, 'storm')} ({clean(ladder.experiment)}) lost anything"
    return f"{size(top.budget_bytes)} {none}, but a verdict needs {LADDER_STORMS}"


def waiting(direction: Direction) -> str:
    """Return the condition of a direction: "when busy polling"; "" if it always holds."""
    words = [_WAITING[poll] for poll in direction.polls]
    return f"when {listed(words)}" if words else ""


def place(comparison: Comparison) -> str:
    """Name where a comparison was made: "storm at 64 KiB"."""
    where = f"{clean(comparison.experiment)} at {budget(comparison.budget)}"
    if comparison.left.arm.variant == comparison.right.arm.variant != "":
        where += f", {clean(comparison.left.arm.variant)}"
    if comparison.left.budget_bytes != comparison.right.budget_bytes:
        where += f" (perf {size(comparison.right.budget_bytes)})"
    return where


def sentence(comparison: Comparison, *, in_instructions: bool = False) -> str:
    """Return the findings of one comparison in a sentence, and why records were lost.

    ``in_instructions``: on a machine whose time is counted instructions.
    """
    says = _SAYS_COUNTED if in_instructions else _SAYS
    sides = (comparison.left, comparison.right)
    dropped = _said(comparison, "own_dropped_share", says)
    if dropped and not any(side.own_dropped for side in sides):
        attempted = dict.fromkeys(f"0 of {side.own_attempted:,}" for side in sides)
        each = " each" if len(attempted) == 1 else ""
        dropped = f"neither dropped anything ({' and '.join(attempted)} records{each})"
    order = ""
    if all(side.fewest_pairs for side in sides):
        pairs = [f"{each.causal_violations:,} of {each.causal_pairs:,}" for each in sides]
        first, *other = dict.fromkeys(pairs)
        order = f"{first} causal pairs were delivered parent first on either side"
        if other:
            order = f"{first} causal pairs against {other[0]} were delivered parent first"
    more = ("latency_p50_ns", "write_ns" if comparison.duet else "physical_bytes")
    parts = (dropped, order, *(_said(comparison, key, says) for key in more))
    words = "; ".join(filter(None, parts))
    return f"In {place(comparison)}, {words}.{_mend(comparison)}" if words else ""


def _mend(comparison: Comparison) -> str:
    """Return why records were lost, if both sides agree or only one lost any."""
    match tuple({comparison.left.bottleneck, comparison.right.bottleneck} - {Bottleneck.NONE}):
        case (only,):
            return f" Records were lost for lack of {_LACKED[only]}."
    return ""


def _said(comparison: Comparison, key: str, words: Mapping[str, Mapping[Outcome, str]]) -> str:
    """Return the comparison's finding for one number; "" unless both sides have it."""
    row = comparison.row(key)
    if row is None or row.left is None or row.right is None:
        return ""
    left, right = comparison.left, comparison.right
    first, second = number(row.left, row.unit), number(row.right, row.unit)
    against = f"{first} against {second}"
    if first == second and row.better:  # by less than is written
        against += f", {point(row.estimate, row.unit)}"
    says = words[key]
    return says.get(row.outcome, says[Outcome.UNDECIDED]).format(
        left=name(left.transport),
        right=name(right.transport),
        first=first,
        second=second,
        against=against,
        seen=f"{point(row.estimate, row.unit)}, {interval(row.estimate, row.unit)}",
        # A transport that drops looks faster.
        lossy=" for what was delivered" if left.own_dropped or right.own_dropped else "",
    )


def incomplete(coverage: PlanData | None) -> str:
    """Return the beginning of the headline of an incomplete run, else ""."""
    if coverage is None or not coverage.runs_incomplete:
        return ""
    return f"Incomplete ({coverage.planned_trials_ran:,} of {_planned(coverage)} trials ran): "


def completeness(coverage: PlanData | None) -> Iterator[Sentence]:
    """Yield sentences on what is missing from the runs."""
    if coverage is None:
        return
    # A run writes this as it ends, so it was not stopped.
    text = "time ran out" if coverage.no_time_for else "the run was stopped"
    if coverage.runs > 1:
        lacking = coverage.runs_incomplete
        parts = [f"{lacking} incomplete"] * bool(lacking)
        if unknown := coverage.runs_without_plan:
            parts.append(f"the plan of {unknown} was not recorded")
        text = f"pooled from {coverage.runs} runs, {', '.join(parts)}"
    if coverage.runs_incomplete:
        trials = f"planned {_planned(coverage)} trials, {coverage.planned_trials_ran:,} ran"
        yield Sentence(lead="Incomplete", text=f"{text}: {trials}.")
    elif coverage.runs > 1 and not coverage.complete:
        yield Sentence(lead="Runs", text=f"{text}.")
    if coverage.no_time_for:
        more = len(coverage.no_time_for) - _MOST_NAMED
        tail = f" and {more} more" if more > 0 else ""
        named = "; ".join(map(clean, coverage.no_time_for[:_MOST_NAMED]))
        yield Sentence(lead="Left out for lack of time", text=f"{named}{tail}.")


def pooled(coverage: PlanData | None) -> Iterator[Sentence]:
    """Yield the sentence on several runs that were taken together, if all are complete."""
    if coverage is not None and coverage.runs > 1 and coverage.complete:
        yield Sentence(lead="Runs", text=f"pooled from {coverage.runs} runs, all complete.")


def _planned(coverage: PlanData) -> str:
    return f"{coverage.planned_trials:,}{' or more' if coverage.more_was_planned else ''}"


def repeats(trials: int) -> Iterator[str]:
    """Yield the line on ``trials`` that were given more than once."""
    if trials:
        yield (
            f"{counted(trials, 'trial was', 'trials were')} given more than once; each counts once"
        )


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
