# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Words that reports share: the machine, transports, places, what is missing or left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.amounts import counted
from bench.judge.comparison import Comparison
from bench.judge.load import reduced as shortfalls
from bench.judge.metrics import Unit
from bench.judge.sharing import Contradiction, contradictions
from bench.linux.machine import Machine
from bench.plan.config import Poll
from bench.questions.transports.coverage import Coverage
from bench.questions.transports.standing import Direction
from bench.questions.transports.summary import Summary
from bench.report.document import Level, Mark, Note
from bench.report.units import budget, clean, interval, point, share, size
from bench.tracer.transports import traits
from bench.trial.result import TrialResult

_MOST_REDUCED: Final = 8  # that are named one by one
_MOST_NAMED: Final = 10
_WAITING: Final = {
    Poll.EPOLL: "waiting on epoll",
    Poll.BUSY: "busy polling",
    Poll.TIMED: "draining by a timer",
    Poll.STOPPED: "reading only after the storm",
    Poll.EDGE: "waiting on edge-triggered epoll",
    Poll.EDGE_BARE: "waiting on edge-triggered epoll without a barrier",
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


def listed(parts: Sequence[str]) -> str:
    """Return "a, b and c"; "" for none."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def waiting(direction: Direction) -> str:
    """Return what a direction depends on: "when busy polling"; "" where it holds throughout."""
    words = [_WAITING[poll] for poll in direction.polls]
    return f"when {listed(words)}" if words else ""


def place(comparison: Comparison) -> str:
    """Name where a comparison was made: "storm at 64 KiB"."""
    where = f"{clean(comparison.experiment)} at {budget(comparison.budget)}"
    if comparison.left.budget_bytes != comparison.right.budget_bytes:
        where += f" (perf {size(comparison.right.budget_bytes)})"
    return where


def incomplete(coverage: Coverage | None) -> str:
    """Return what a headline begins with where a run is incomplete, else ""."""
    if coverage is None or not coverage.incomplete:
        return ""
    return f"Incomplete ({coverage.ran:,} of {_planned(coverage)} trials ran): "


def completeness(coverage: Coverage | None) -> Iterator[str]:
    """Yield sentences on what is missing, and on how many runs were taken together."""
    if coverage is None:
        return
    text = "the run was stopped"
    if coverage.runs > 1:
        parts = [f"{coverage.incomplete} incomplete"] * bool(coverage.incomplete)
        if coverage.unrecorded:
            parts.append(f"the plan of {coverage.unrecorded} was not recorded")
        text = f"pooled from {coverage.runs} runs, {', '.join(parts) or 'all complete'}"
    if coverage.incomplete:
        yield f"Incomplete: {text}: planned {_planned(coverage)} trials, {coverage.ran:,} ran."
    elif coverage.runs > 1:
        yield f"Runs: {text}."
    if coverage.no_time_for:
        more = len(coverage.no_time_for) - _MOST_NAMED
        tail = f" and {more} more" if more > 0 else ""
        named = "; ".join(map(clean, coverage.no_time_for[:_MOST_NAMED]))
        yield f"Left out for lack of time: {named}{tail}."


def _planned(coverage: Coverage) -> str:
    return f"{coverage.planned:,}{' or more' if coverage.open else ''}"


def repeats(trials: int) -> Iterator[str]:
    """Yield the line on ``trials`` that were given more than once."""
    if trials:
        yield (
            f"{counted(trials, 'trial was', 'trials were')} given more than once; each counts once"
        )


def unfit(summary: Summary) -> Iterator[str]:
    """Yield a sentence for each experiment and pair of arms whose storms cannot be compared."""
    yield from reduced(summary)
    for each in summary.unequal:
        yield (
            f"{clean(each.experiment)}: {clean(each.left)} and {clean(each.right)} are not "
            f"compared in {counted(each.blocks, 'block')}: their loads differ "
            f"({each.loads[0]} against {each.loads[1]})."
        )


def reduced(summary: Summary) -> Iterator[str]:
    """Yield a sentence for each experiment whose storms were smaller than requested."""
    by_experiment: dict[str, list[TrialResult]] = {}
    for trial in summary.reduced:
        by_experiment.setdefault(trial.experiment, []).append(trial)
    totals = {tally.experiment: tally.trials for tally in summary.tallies}
    for experiment, trials in by_experiment.items():
        storms = [trial.storm for trial in trials]
        if any(storm.lowered_from or storm.failed for storm in storms):
            remedy = "raise pids.max or RLIMIT_NPROC, or ask for fewer processes at once"
        elif any(storm.stopped_by == "seconds" for storm in storms):
            remedy = "allow more --seconds, or ask for a smaller --count"
        else:
            remedy = "leave this machine to the measurement"
        yield (
            f"{clean(experiment)}: {len(trials)} of {counted(totals[experiment], 'storm')} "
            "reduced, and compared with nothing (the first: "
            f"{clean('; '.join(shortfalls(trials[0])))}); {remedy}."
        )


def trouble(summary: Summary) -> Iterator[Note]:
    """Yield notes on what was left out or disturbed."""
    for line in _left_out(summary):
        yield Note(text=line, mark=Mark.OPEN)
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
        yield from repeats(summary.coverage.repeated)
    for trial in summary.reduced[:_MOST_REDUCED]:
        yield f"reduced, compared with nothing: {_why(trial, shortfalls(trial))}"
    if len(summary.reduced) > _MOST_REDUCED:
        yield f"reduced: {len(summary.reduced) - _MOST_REDUCED} more"
    for fault in summary.faults:
        yield f"journal: {clean(str(fault))}"
    yield from map(_contradicted, contradictions(summary.comparisons))


def _contradicted(found: Contradiction) -> str:
    """Describe how far storms of each arm alone are from the duet that headlines rest on."""
    (one, other), unit = (found.in_duet, found.in_blocks), Unit.TIMES
    return (
        f"contradiction: {found.label.strip()} in {clean(found.duet.experiment)} is "
        f"{point(one, unit)} ({interval(one, unit)}), with each arm alone in "
        f"{clean(found.blocks.experiment)} {point(other, unit)} ({interval(other, unit)}): "
        f"{share(found.apart)} apart"
    )


def _why(trial: TrialResult, reasons: Sequence[str]) -> str:
    where = f"{clean(trial.experiment)} {clean(trial.arm)} block {trial.block}"
    return f"{where}: {clean('; '.join(reasons))}"
