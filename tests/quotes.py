# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What README.md and results/README.md say of results, written from the reference journals.

`python tests/quotes.py README.md results/README.md docs/metrics.md` writes every part between a
line `<!-- generated: NAME -->` and the next `<!-- end -->` anew; a test does the same and compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from bench.journal.reader import read_journal
from bench.journal.schema import JournalContent
from bench.judge.comparison import Comparison, Side
from bench.judge.floor import LEAST_MARGIN
from bench.plan.experiments import Arm, Experiment
from bench.questions.claims.catalogue import judge
from bench.questions.claims.document import tally
from bench.questions.claims.evidence import of_journals
from bench.questions.duet.document import DuetData, document
from bench.questions.duet.judge import judge as judge_duet
from bench.questions.kernels import sentences
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare
from bench.questions.transports.decision import headline, verdict
from bench.questions.transports.summary import Summary, compare_journals
from bench.report.renderers.markdown import escape
from bench.report.units import budget, number

_FOLDER: Final = Path("results/reference")
_BLOCK: Final = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ORDER: Final = ("solo", "4ms", "1ms", "record")
_DESIGNS: Final = {"solo": "each alone", "record": "by process"}
_SHOWN: Final = (
    ("storm", "8KiB", "storm, as fast as it can"),
    ("storm", "64KiB", ""),
    ("burst", "64KiB", "{storm.burst_size:,} exits at once, read only after the storm"),
    ("hotcpu", "64KiB", "all on one CPU, read only after the storm"),
    ("stall", "64KiB", "consumer stalls for {consumer.stall_ms:g} ms"),
    ("stall", "1MiB", ""),
    ("chain", "64KiB", "chains, drained every {consumer.interval_ms:g} ms"),
    ("pingpong", "64KiB", "ping-pong, drained every {consumer.interval_ms:g} ms"),
    ("trickle", "64KiB", "trickle, {storm.rate_per_s:,.0f} a second"),
    ("storm-busy", "64KiB", "storm, polled busily"),
)
"""Rows of README's table: experiment, budget and words; "" goes on with those above."""


@cache
def _content(name: str) -> JournalContent:
    return read_journal(_FOLDER / name / "journal.jsonl.gz")


@cache
def _standard() -> Summary:
    (found,) = compare_journals(_content("standard"))
    return found


def _day(name: str) -> str:
    return _content(name).runs[0].header.started_utc[:10]


def _machine(name: str) -> str:
    machine = _content(name).runs[0].header.machine
    return escape(
        f"virtual machine ({machine.virtualisation}) with {machine.cpus_online} CPUs "
        f"({machine.cpu_model}) and {machine.memory_bytes / 2**30:.0f} GiB, "
        f"Linux {machine.kernel_release}, preemption {machine.preemption}, clock source "
        f"{machine.clock_source}, bcc {machine.bcc_version}"
    )


def _run() -> Iterator[str]:
    summary = _standard()
    yield (
        f"A `standard` run on a {_machine('standard')}, on {_day('standard')}: "
        f"{summary.trials:,} trials, {len(summary.invalid)} that did not balance."
    )


def _table() -> Iterator[str]:
    """Yield README's table: of every number the better side is bold where it is decided."""
    yield (
        "| experiment | budget | dropped, ringbuf | perfbuf | p50, ringbuf | perfbuf "
        "| violations, ringbuf | perfbuf |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    found = {(each.experiment, each.budget): each for each in _standard().comparisons}
    configs = {each.experiment: each.config for each in _content("standard").runs[0].trials}
    for experiment, label, words in _SHOWN:
        comparison = found[experiment, label]
        config = configs[experiment]
        cells = [words.format(storm=config.storm, consumer=config.consumer), budget(label)]
        cells += _both(comparison, "own_dropped_share")
        cells += _both(comparison, "latency_p50_ns")
        counts = (_violations(comparison.left), _violations(comparison.right))
        cells += _bold(comparison, "causal_violation_share", counts)
        yield f"| {' | '.join(cells)} |"


def _both(comparison: Comparison, key: str) -> tuple[str, ...]:
    row = comparison.row(key)
    if row is None:
        return "-", "-"
    return _bold(comparison, key, (number(row.left, row.unit), number(row.right, row.unit)))


def _bold(comparison: Comparison, key: str, cells: tuple[str, str]) -> tuple[str, ...]:
    row = comparison.row(key)
    better = 0 if row is None else row.better
    return tuple(
        f"**{cell}**" if better == side else cell for side, cell in zip((-1, 1), cells, strict=True)
    )


def _violations(side: Side) -> str:
    return f"{side.causal_violations:,} of {side.causal_pairs:,}" if side.causal_pairs else "-"


def _conclusion() -> Iterator[str]:
    """Yield the headline, and the sentence on each question."""
    summary = _standard()
    yield headline(summary)
    yield ""
    yield from (f"- {escape(line)}" for line in verdict(summary)[: len(summary.standings)])


def _claims() -> Iterator[str]:
    (evidence,) = of_journals(_content("claims"))
    trials = sum(len(run.trials) for run in _content("claims").runs)
    yield f"{_day('claims')}, {trials:,} trials. {tally(judge(evidence))}."


def _designs(path: Path) -> list[DuetData]:
    """Judge the duets of one journal again, by design."""
    trials = read_journal(path).trials
    found = []
    for name in dict.fromkeys(trial.experiment for trial in trials):
        halves = {
            trial.half.second: Arm(name=trial.arm, config=trial.config)
            for trial in trials
            if trial.experiment == name and trial.half
        }
        duet = Experiment(name=name, title="", arms=(halves[False], halves[True]), blocks=0)
        duel = judge_duet(duet, trials)
        found.append(document(duet, duel, margin=LEAST_MARGIN, journal="").data)
    return found


def _interference() -> Iterator[str]:
    """Yield the table of designs: each pair of arms alone, by window and by process."""
    yield "| storm | machine | design | median latency | write | wake-ups a record | storms |"
    yield "|---|---|---|---|---|---|---:|"
    for path in sorted((_FOLDER / "duets").glob("*.jsonl.gz")):
        workload, _, machine = path.name.removesuffix(".jsonl.gz").partition("-")
        for data in sorted(_designs(path), key=lambda each: _ORDER.index(each.assign)):
            numbers = {each.key: each for each in data.numbers}
            cells = [workload, machine, _DESIGNS.get(data.assign, f"windows of {data.assign}")]
            for key in ("latency_p50_ns", "write_ns"):
                each = numbers[key]
                cells.append(f"{each.ratio:.3f} ({each.low:.3f} to {each.high:.3f})")
            ring, perf = (f"{each:.2f}" if each is not None else "-" for each in data.raised)
            cells += [f"{ring}, {perf}" if data.assign == "solo" else ring, str(data.storms)]
            yield f"| {' | '.join(cells)} |"


def _kernels() -> Iterator[str]:
    found = compare(read_matrix([_FOLDER / "kernels"]))
    yield f"{sentences.title(found)}."
    yield ""
    yield from (f"- {escape(line)}" for line in sentences.verdict(found))


BLOCKS: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "machine": lambda: iter([f"A {_machine('standard')}."]),
    "standard-run": _run,
    "standard-table": _table,
    "standard-conclusion": _conclusion,
    "standard-verdict": lambda: (f"- {escape(line)}" for line in verdict(_standard())),
    "claims": _claims,
    "interference": _interference,
    "kernels": _kernels,
}


def written(text: str) -> str:
    """Return ``text`` with every generated part anew; KeyError for a name that there is not."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_lines(found[2])}{found[3]}", text)


@cache
def _lines(name: str) -> str:
    return "\n".join(BLOCKS[name]()) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
