# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What text and Markdown say alike: the machine, the legend, the better side, what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.judge.comparison import Comparison, Outcome, Row, Side
from bench.judge.contradiction import Contradiction, contradictions
from bench.judge.floor import LEAST_MARGIN
from bench.judge.load import reduced as shortfalls
from bench.judge.metrics import Unit
from bench.linux.machine import Machine
from bench.questions.transports.completeness import repeats
from bench.questions.transports.summary import Summary
from bench.report.units import clean, interval, number, point, resolvable, share, time
from bench.trial.result import TrialResult

_SIGNS: Final = {
    Outcome.EQUAL: "=",
    Outcome.TOO_FEW: "few blocks",
    Outcome.UNKNOWN: "",
}
_MOST_REDUCED: Final = 8  # that are named one by one
LEGEND: Final = (
    "Better: the side, if the 95 % interval lies beyond the margin (2 %, or the A/A "
    "noise floor if larger); = within 2 %: equivalent, the whole interval lies there; ≈ undecided, "
    "with the least difference that could have been seen; = the same in every block that was run. "
    "Within the same storms (duets) any interval beside 1 names a side. Ratio: left over right, "
    "paired within blocks; with a sign, a difference (of shares in points). The right value is the "
    "median over blocks (of shares the mean), the left one is that times the ratio, or plus the "
    "difference."
)


def machine_words(machine: Machine | None) -> str:
    """Describe the machine in one line."""
    if machine is None:
        return "machine not known"
    virtual = "emulated" if machine.emulated else machine.virtualisation
    return clean(
        f"{machine.hostname}: Linux {machine.kernel_release}, {cpus_words(machine)} "
        f"({machine.cpu_model}), preemption {machine.preemption}, clock {machine.clock_source}, "
        f"virtualisation {virtual}"
    )


def cpus_words(machine: Machine) -> str:
    """Return how many CPUs a run had, and which of how many if it could not use all of them."""
    words = f"{machine.cpus_online} CPUs"
    if machine.usable_cpus != machine.online_cpus:
        words = f"CPUs {machine.usable_cpus} of {machine.online_cpus}"
    return words if machine.cpu_quota is None else f"{words} (quota {machine.cpu_quota:g})"


def reduced(summary: Summary) -> Iterator[str]:
    """Yield a sentence for each experiment whose storms were not the ones asked for."""
    by_experiment: dict[str, list[TrialResult]] = {}
    for trial in summary.reduced:
        by_experiment.setdefault(trial.experiment, []).append(trial)
    totals = {tally.experiment: tally.trials for tally in summary.tallies}
    for name, trials in by_experiment.items():
        storms = [trial.storm for trial in trials]
        if any(storm.lowered_from or storm.failed for storm in storms):
            remedy = "raise pids.max or RLIMIT_NPROC, or ask for fewer processes at once"
        elif any(storm.stopped_by == "seconds" for storm in storms):
            remedy = "allow more --seconds, or ask for a smaller --count"
        else:
            remedy = "leave this machine to the measurement"
        total = totals[name]
        yield (
            f"{clean(name)}: {len(trials)} of {total} storms were reduced and are compared with "
            f"nothing (the first: {clean('; '.join(shortfalls(trials[0])))}); {remedy}."
        )


def unequal(summary: Summary) -> Iterator[str]:
    """Yield a sentence for each pair of arms that had unequal loads in some blocks."""
    for each in summary.unequal:
        blocks = "1 block" if each.blocks == 1 else f"{each.blocks} blocks"
        yield (
            f"{clean(each.experiment)}: {clean(each.left)} and {clean(each.right)} are not "
            f"compared in {blocks}: their loads differ ({each.loads[0]} against {each.loads[1]})."
        )


def trouble(summary: Summary) -> tuple[str, ...]:
    """Return what a reader has to know of what was left out or disturbed."""
    lines = [
        f"invalid, left out: {clean(trial.experiment)} {clean(trial.arm)} block {trial.block}: "
        f"{clean('; '.join(trial.reasons))}"
        for trial in summary.invalid
    ]
    for state, meaning in (("disturbed", " (the kernel skipped the tracer)"), ("noisy", "")):
        found = [
            f"{clean(each.experiment)} {count} of {each.valid + each.disturbed + each.noisy}"
            for each in summary.tallies
            if (count := getattr(each, state))
        ]
        if found:
            lines.append(f"{state}{meaning}, counted all the same: {', '.join(found)}")
    if summary.coverage is not None:
        lines += repeats(summary.coverage.repeated)
    lines += [
        f"reduced, compared with nothing: {clean(trial.experiment)} {clean(trial.arm)} block "
        f"{trial.block}: {clean('; '.join(shortfalls(trial)))}"
        for trial in summary.reduced[:_MOST_REDUCED]
    ]
    if len(summary.reduced) > _MOST_REDUCED:
        lines.append(f"reduced: {len(summary.reduced) - _MOST_REDUCED} more")
    lines += [f"journal: {clean(str(fault))}" for fault in summary.faults]
    lines += map(_contradicted, contradictions(summary.comparisons))
    return tuple(lines)


def _contradicted(found: Contradiction) -> str:
    """Say how far storms of each arm alone are from the duet that headlines rest on."""
    (one, other), unit = (found.in_duet, found.in_blocks), Unit.TIMES
    return (
        f"contradiction: {found.label.strip()} in {clean(found.duet.experiment)} is "
        f"{point(one, unit)} ({interval(one, unit)}), with each arm alone in "
        f"{clean(found.blocks.experiment)} {point(other, unit)} ({interval(other, unit)}): "
        f"{share(found.apart)} apart"
    )


def better(comparison: Comparison, row: Row) -> str:
    """Name the better side, or the sign of why there is none."""
    if row.outcome is Outcome.EQUIVALENT:
        return f"= within {share(LEAST_MARGIN)}"
    if row.outcome is Outcome.UNDECIDED and row.estimate is not None:
        return f"≈ {resolvable(row.estimate, row.unit)}"
    if row.better == 0:
        return _SIGNS.get(row.outcome, "")
    return clean((comparison.left if row.better < 0 else comparison.right).transport)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a comparison's table, in words."""

    label: str
    left: str
    right: str
    point: str = ""
    interval: str = ""
    better: str = ""
    low: float | None = None  # of the interval
    high: float | None = None
    decided: bool = False
    begins_group: bool = False


def lines(comparison: Comparison) -> Iterator[Line]:
    """Yield a comparison's rows, and the sums that explain some of them."""
    group = comparison.rows[0].group if comparison.rows else None
    for row in comparison.rows:
        yield Line(
            label=row.label,
            left=number(row.left, row.unit),
            right=number(row.right, row.unit),
            point=point(row.estimate, row.unit),
            interval=interval(row.estimate, row.unit),
            low=row.estimate.low if row.estimate is not None else None,
            high=row.estimate.high if row.estimate is not None else None,
            better=better(comparison, row),
            decided=row.better != 0,
            begins_group=row.group is not group,
        )
        group = row.group
        yield from _EXPLAINED.get(row.key, _nothing)(comparison.left, comparison.right)


def _nothing(_: Side, __: Side) -> Iterator[Line]:
    yield from ()


def _dropped(left: Side, right: Side) -> Iterator[Line]:
    yield _sums(
        "  records", left.own_dropped, left.own_attempted, right.own_dropped, right.own_attempted
    )
    yield _sums("  trials that dropped", left.lossy, left.trials, right.lossy, right.trials)
    for kind in dict.fromkeys((*left.lost_told, *right.lost_told)):
        yield Line(
            label=f"  {clean(kind)}, by kernel",
            left=f"{left.lost_told[kind]:,}" if kind in left.lost_told else "-",
            right=f"{right.lost_told[kind]:,}" if kind in right.lost_told else "-",
        )


def _causal(left: Side, right: Side) -> Iterator[Line]:
    yield _sums(
        "  of causal pairs",
        left.causal_violations,
        left.causal_pairs,
        right.causal_violations,
        right.causal_pairs,
    )


def _merged(left: Side, right: Side) -> Iterator[Line]:
    if left.latency is None or right.latency is None:
        return
    for words, of_left, of_right in (
        ("p50", left.latency.p50_ns, right.latency.p50_ns),
        ("p99", left.latency.p99_ns, right.latency.p99_ns),
        ("p99.9", left.latency.p999_ns, right.latency.p999_ns),
        ("max", left.latency.max_ns, right.latency.max_ns),
    ):
        yield Line(label=f"  all records pooled, {words}", left=time(of_left), right=time(of_right))


def _sums(label: str, part: int, whole: int, other_part: int, other_whole: int) -> Line:
    return Line(label=label, left=f"{part:,}/{whole:,}", right=f"{other_part:,}/{other_whole:,}")


_EXPLAINED: Final = {
    "own_dropped_share": _dropped,
    "causal_violation_share": _causal,
    "latency_max_ns": _merged,
}
