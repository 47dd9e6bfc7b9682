# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a soak showed: how many trials balanced, and whether what the harness holds stayed flat."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.journal.schema import Run, RunHeader
from bench.judge.coverage import Coverage, coverage
from bench.measure.health import Flatness, Sample, flatness
from bench.questions.transports.completeness import completeness, incomplete
from bench.questions.transports.material import Material
from bench.questions.transports.words import machine_words
from bench.report.document import (
    Cell,
    Column,
    Command,
    Document,
    Figures,
    Level,
    Mark,
    Note,
    Part,
    Row,
    Sentence,
    Table,
)
from bench.report.units import size
from bench.trial.result import State, TrialResult

NAMES: Final = {
    "rss_bytes": "resident memory",
    "open_files": "open files",
    "threads": "threads",
    "programs": "BPF programs",
    "maps": "BPF maps",
    "children": "child processes",
}


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


def document(summary: SoakSummary, material: Material | None = None) -> Document:
    """Return what one soak showed; the chart needs its ``material``."""
    table = Table(
        key="held",
        title="What the harness held between two rounds",
        corner="held between two rounds",
        columns=(
            Column(heading="first half"),
            Column(heading="second half"),
            Column(heading="", numeric=False),
        ),
        rows=tuple(map(_row, summary.flatness)),
    )
    parts: tuple[Part, ...] = (
        *(Sentence(text=line) for line in lines(summary)),
        *((table,) if summary.flatness else ()),
        Command(text=shlex.join(summary.header.command_line)),
        Note(text=f"Made on {summary.header.started_utc}.", level=Level.BACKGROUND),
    )
    if material is not None:
        from bench.questions.transports.figures import charts

        parts += (Figures(make=lambda: charts.figures(material)),)
    return Document(
        title=headline(summary),
        subject=machine_words(summary.header.machine),
        parts=parts,
        data=summary,
    )


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


def _row(found: Flatness) -> Row:
    show = size if found.what == "rss_bytes" else "{:g}".format
    return Row(
        heading=Cell(text=NAMES[found.what]),
        cells=(
            Cell(text=show(found.before), value=found.before),
            Cell(text=show(found.after), value=found.after),
            Cell(text="flat" if found.flat else "GREW", mark=Mark.NONE if found.flat else Mark.BAD),
        ),
    )
