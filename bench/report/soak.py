# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a soak showed: how many trials balanced, and whether what the harness holds stayed flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.journal.schema import Run, RunHeader
from bench.judge.coverage import Coverage, coverage
from bench.measure.health import Flatness, Sample, flatness
from bench.report.completeness import completeness, incomplete
from bench.report.markdown import escape
from bench.report.units import size
from bench.report.words import machine_words
from bench.trial.result import State, TrialResult

NAMES: Final = {
    "rss_bytes": "resident memory",
    "open_files": "open files",
    "threads": "threads",
    "programs": "BPF programs",
    "maps": "BPF maps",
    "children": "child processes",
}
_HEADINGS: Final = ("held between two rounds", "first half", "second half", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakSummary:
    """One soak in figures."""

    header: RunHeader
    minutes: float
    states: Counter[State]
    transports: Counter[str]
    shapes: Counter[str]
    attempted: int  # records
    dropped: int
    missed: int  # exits that the kernel kept from the tracer
    ring_pairs: int  # causal pairs on one shared ring
    ring_violations: int
    invalid: tuple[TrialResult, ...]
    samples: tuple[Sample, ...]
    flatness: tuple[Flatness, ...]
    coverage: Coverage


def summarised(run: Run) -> SoakSummary:
    """The trials and samples of one run."""
    ledgers = [trial.ledger for trial in run.trials if trial.ledger is not None]
    orders = [
        trial.ordering
        for trial in run.trials
        if trial.ordering is not None and trial.config.transport == "ringbuf"
    ]
    return SoakSummary(
        header=run.header,
        minutes=run.health[-1].elapsed_s / 60 if run.health else 0.0,
        states=Counter(trial.state for trial in run.trials),
        transports=Counter(trial.config.transport for trial in run.trials),
        shapes=Counter(trial.config.storm.shape.value for trial in run.trials),
        attempted=sum(ledger.attempted for ledger in ledgers),
        dropped=sum(ledger.dropped for ledger in ledgers),
        missed=sum(ledger.missed for ledger in ledgers),
        ring_pairs=sum(order.causal_pairs for order in orders),
        ring_violations=sum(order.causal_violations for order in orders),
        invalid=tuple(trial for trial in run.trials if trial.state is State.INVALID),
        samples=run.health,
        flatness=flatness(run.health),
        coverage=coverage([run]),
    )


def headline(summary: SoakSummary) -> str:
    """The outcome in one sentence."""
    trials, wrong = summary.states.total(), len(summary.invalid)
    balance = f"{wrong:,} do not balance" if wrong else "all of them balance"
    grew = [NAMES[each.what] for each in summary.flatness if not each.flat]
    if grew:
        held = f"{', '.join(grew)} grew"
    else:
        held = "nothing grew" if summary.flatness else "too few rounds to say whether anything grew"
    missing = incomplete(summary.coverage)
    return f"{missing}{trials:,} arbitrary trials in {summary.minutes:.0f} min: {balance}; {held}."


def progress(sample: Sample) -> str:
    """Where a soak stands, in a line."""
    return (
        f"{sample.elapsed_s / 60:.1f} min, {sample.trials:,} trials; held: "
        f"{size(sample.rss_bytes)}, {sample.open_files} files, {sample.threads} threads, "
        f"{sample.programs} programs, {sample.maps} maps"
    )


def of_runs(runs: Sequence[Run]) -> tuple[SoakSummary, ...]:
    """A summary of each run that was a soak."""
    return tuple(summarised(run) for run in runs if run.health)


def render_text(summary: SoakSummary, console: Console) -> None:
    """The figures and a table of what was held."""
    for line in lines(summary):
        console.print(Text(line))
    if summary.flatness:
        table = Table(*_HEADINGS, box=SIMPLE_HEAD)
        for row in _rows(summary.flatness):
            table.add_row(*map(Text, row))
        console.print(table)


def render_markdown(summary: SoakSummary, journal: str) -> str:
    """The same as a page of Markdown."""
    text = ["# A soak", "", escape(machine_words(summary.header.machine)), ""]
    text += [f"- {escape(line)}" for line in lines(summary)]
    text += ["", "| " + " | ".join(_HEADINGS) + " |", "|---|---:|---:|---|"]
    text += ["| " + " | ".join(map(escape, row)) + " |" for row in _rows(summary.flatness)]
    command = " ".join(summary.header.command_line)
    text += ["", f"Made by {escape(command)}, on {escape(summary.header.started_utc)}."]
    text += [f"The journal is {escape(journal)}.", ""]
    return "\n".join(text)


def lines(summary: SoakSummary) -> Iterator[str]:
    """What there is to say of it."""
    yield from completeness(summary.coverage)
    trials = summary.states.total()
    states = ", ".join(f"{count:,} {state}" for state, count in summary.states.most_common())
    yield (
        f"{trials:,} arbitrary trials in {summary.minutes:.0f} min, seed "
        f"{summary.header.seed}: {states}"
    )
    yield (
        f"{summary.attempted:,} records attempted, {summary.dropped:,} dropped, "
        f"{summary.missed:,} exits missed; {trials - len(summary.invalid):,} of {trials:,} trials "
        "balanced"
    )
    yield (
        f"ring buffer: {summary.ring_violations:,} causal violations in "
        f"{summary.ring_pairs:,} pairs"
    )
    for what, found in (("transports", summary.transports), ("storms", summary.shapes)):
        yield f"{what}: " + ", ".join(f"{name} {count:,}" for name, count in found.most_common())
    for trial in summary.invalid:
        yield (f"did not balance: {trial.arm}, in round {trial.block}: {'; '.join(trial.reasons)}")
    if not summary.flatness:
        yield f"{len(summary.samples)} rounds are too few to say whether anything leaks"


def _rows(found: Sequence[Flatness]) -> Iterator[tuple[str, str, str, str]]:
    for each in found:
        show = size if each.what == "rss_bytes" else "{:g}".format
        yield (
            NAMES[each.what],
            show(each.before),
            show(each.after),
            "flat" if each.flat else "GREW",
        )
