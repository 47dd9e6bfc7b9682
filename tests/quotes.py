# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Generate parts of documents, from the reference journals and from definitions in code.

Such a part lies between a line `<!-- generated: NAME -->` and the next `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from io import StringIO
from math import inf
from pathlib import Path
from statistics import fmean, median
from typing import Final

import scale
from rich.console import Console

from bench import cli
from bench.amounts import share
from bench.journal.reader import read_journal
from bench.journal.schema import JournalContent
from bench.judge.floor import LEAST_MARGIN
from bench.judge.numbers import NUMBERS
from bench.linux.machine import Machine
from bench.plan.experiments import Arm, Experiment
from bench.questions.claims.catalogue import UNTESTABLE, claims, judge
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.evidence import of_journals
from bench.questions.claims.words import tally
from bench.questions.duet.designs import designs
from bench.questions.duet.document import CarriedData, DuetData, document
from bench.questions.duet.judge import judge as judge_duet
from bench.questions.kernels import sentences
from bench.questions.kernels.document import document as document_of_kernels
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare
from bench.questions.sizing.document import Sized
from bench.questions.sizing.document import document as of_size
from bench.questions.sizing.judge import exits_per_s, sizing
from bench.questions.sizing.plan import Load
from bench.questions.transports.decision import verdict
from bench.questions.transports.document import document as of_transports
from bench.questions.transports.summary import Summary, compare_journals
from bench.report.document import Document, Level, Sentence
from bench.report.renderers import markdown
from bench.report.renderers.markdown import escape
from bench.report.renderers.text import WIDTH, show
from bench.trial.result import State

_FOLDER: Final = Path("results/reference")
_BLOCK: Final = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SHOWN_AGES: Final = 9
_DESIGNS: Final = {"solo": "each alone", "record": "by process"}
_NUMBERS: Final = {"latency_p50_ns": "median latency", "write_ns": "write"}
_COLUMNS: Final = 80


@cache
def _content(name: str) -> JournalContent:
    return read_journal(_FOLDER / name / "journal.jsonl.gz")


@cache
def _run(name: str) -> Summary:
    (found,) = compare_journals(_content(name))
    return found


def _day(name: str) -> str:
    return _content(name).runs[0].header.started_utc[:10]


def _machine(name: str) -> str:
    return _named(_content(name).runs[0].header.machine)


def _named(machine: Machine) -> str:
    return escape(
        f"virtual machine ({machine.virtualisation}) with {machine.cpus_online} CPUs "
        f"({machine.cpu_model}) and {machine.memory_bytes / 2**30:.0f} GiB, "
        f"Linux {machine.kernel_release}, preemption {machine.preemption}, clock source "
        f"{machine.clock_source}, bcc {machine.bcc_version}"
    )


def _decision() -> Iterator[str]:
    """Yield what `bufbench report` prints on a terminal of 80 columns."""
    yield from _printed(of_transports(_run("standard")))


def _printed(document: Document, columns: int = _COLUMNS) -> Iterator[str]:
    out = StringIO()
    show(document, Console(file=out, width=columns), level=Level.DECISION)
    yield from (f"    {line}".rstrip() for line in out.getvalue().splitlines())


def sized() -> Document:
    """Return what `bufbench size` answers on the reference journal."""
    (run,) = _content("size").runs
    budgets: dict[str, set[int]] = {}
    for trial in run.trials:
        budgets.setdefault(trial.config.transport, set()).add(trial.config.budget_bytes)
    storm = run.trials[0].config.storm
    stall_ms = run.trials[0].config.consumer.stall_ms
    load = Load(
        rate_per_s=storm.rate_per_s,
        burst=0,
        record_bytes=72,
        records_per_exit=1,
        stall_ms=stall_ms,
        seconds=storm.seconds,
    )
    answered = Sized(
        load=load,
        workers=storm.workers,
        exits_per_s=exits_per_s(run.trials),
        tolerated=0.0,
        sizings=[
            sizing(each, run.trials, sorted(sizes), tolerated=0.0, margin=2.0)
            for each, sizes in budgets.items()
        ],
        cpus=run.header.machine.cpus,
        journal="",
    )
    return of_size(answered)


def _size() -> Iterator[str]:
    """Yield the answer of `bufbench size`, without the load and what the answer rests on."""
    answer = sized()
    said = [part for part in answer.parts if isinstance(part, Sentence) and "set " in part.text]
    yield from _printed(replace(answer, subject="", parts=tuple(said)), WIDTH)


def _size_run() -> Iterator[str]:
    """Yield how the run behind `_size` went."""
    (said,) = (line for line in verdict(_run("size")) if line.startswith("Quality: "))
    yield f"{_day('size')}. {escape(said)}"


def _claims() -> Iterator[str]:
    (evidence,) = of_journals(_content("claims"))
    trials = _content("claims").trials
    noisy = share(fmean(trial.state is State.NOISY for trial in trials))
    release = escape(_content("claims").runs[0].header.machine.kernel_release)
    run = f"{_day('claims')}, Linux {release}, {len(trials):,} trials, {noisy} of them noisy"
    yield f"{run}. {tally(judge(evidence))}."


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
    """Yield the table of designs, alone, by window and by process, and what contradicts alone."""
    yield "| storm | machine | design | median latency | write | wake-ups per record | storms |"
    yield "|---|---|---|---|---|---|---:|"
    contradictions = []
    for path in sorted((_FOLDER / "duets").glob("*.jsonl.gz")):
        workload, _, machine = path.name.removesuffix(".jsonl.gz").partition("-")
        machine = machine.replace("-", " ")
        found = sorted(_designs(path), key=_from_solo_to_record)
        for data in found:
            numbers = {each.key: each for each in data.numbers}
            cells = [workload, machine, _design(data.assign)]
            for key in ("latency_p50_ns", "write_ns"):
                each = numbers[key]
                cells.append(f"{each.ratio:.3f} ({each.low:.3f} to {each.high:.3f})")
            ring, perf = (f"{each:.2f}" if each is not None else "-" for each in data.raised)
            cells += [f"{ring}, {perf}" if data.assign == "solo" else ring, str(data.storms)]
            yield f"| {' | '.join(cells)} |"
        contradictions += [
            f"- {workload}, {machine}: {_NUMBERS[each.key]}, "
            f"{' and '.join(map(_design, each.designs))}, {share(each.apart)} apart"
            for each in designs(found).data.contradictions
            if "solo" in each.designs and each.key in _NUMBERS
        ]
    yield ""
    yield f"Beyond both intervals each arm alone is contradicted in {len(contradictions)} of these:"
    yield ""
    yield from contradictions or ["- nothing"]


def _design(assign: str) -> str:
    return _DESIGNS.get(assign, f"windows of {assign}")


def _from_solo_to_record(data: DuetData) -> float:
    """Order designs: each arm alone, the longest windows, the shortest, by process."""
    known = {"solo": -inf, "record": 0.0}
    found = known.get(data.assign)
    return -float(data.assign.removesuffix("ms")) if found is None else found


def _washout() -> Iterator[str]:
    """Yield how far ratios soon after a window's beginning are from those of its second half.

    In bold what is farther off than any age is between the same arm twice, and not by chance.
    """
    ages = " | ".join(f"{5 * age} to {5 * age + 5} %" for age in range(_SHOWN_AGES))
    yield f"| storm | window | number | {ages} | A/A, up to | felt until |"
    yield f"|---|---|---|{'---:|' * (_SHOWN_AGES + 2)}"
    for path in sorted((_FOLDER / "washout").glob("*-ring-perf.jsonl.gz")):
        workload = path.name.partition("-")[0]
        twins = [
            {each.assign: each for each in _designs(path.with_name(f"{workload}-{pair}.jsonl.gz"))}
            for pair in ("ring-ring", "perf-perf")
        ]
        for data in sorted(_designs(path), key=_from_solo_to_record):
            same = [each for twin in twins for each in twin[data.assign].carried]
            for carried in data.carried:
                noise = max(
                    max(point, 1 / point) - 1
                    for each in same
                    if each.key == carried.key
                    for _, point, _ in filter(None, each.by_age)
                )
                yield _aged(workload, data.assign, carried, noise)
        (run,) = read_journal(path).runs
        load = median(trial.conditions.load_1m for trial in run.trials)
        day = run.header.started_utc[:10]
        yield f"\n{day}, {_named(run.header.machine)}; load {load:.1f}, its own among it."


def _aged(workload: str, assign: str, carried: CarriedData, noise: float) -> str:
    beyond = [
        each is not None and not each[0] <= 1 <= each[2] and max(each[1], 1 / each[1]) > 1 + noise
        for each in carried.by_age
    ]
    cells = []
    for found, bold in list(zip(carried.by_age, beyond, strict=True))[:_SHOWN_AGES]:
        text = "-" if found is None else f"{found[1] - 1:+.1%}".replace("%", " %")
        cells.append(f"**{text}**" if bold else text)
    flat = next((age for age, each in enumerate(beyond) if not each), len(beyond))
    felt_us = flat * float(assign.removesuffix("ms")) * 1e3 / len(beyond)
    cells += [share(noise), f"{felt_us:,.0f} µs"]
    return f"| {' | '.join((workload, assign, _NUMBERS[carried.key], *cells))} |"


def _kernels() -> Iterator[str]:
    """Yield what `kernels report` shows of the decision, and the counts behind it."""
    found = compare(read_matrix([_FOLDER / "kernels"]))
    decided = markdown.render(document_of_kernels(found).up_to(Level.DECISION))
    yield from decided.removeprefix("## ").splitlines()
    yield ""
    yield from (f"- {escape(str(each))}" for each in sentences.verdict(found))


def _names() -> Iterator[str]:
    """Yield the table of every number of a trial."""
    yield "| name | unit | definition |"
    yield "|---|---|---|"
    yield from (f"| `{each.key}` | {each.unit} | {each.meaning} |" for each in NUMBERS.values())


def claims_tables() -> Iterator[str]:
    """Yield every claim, a table for each side, and the statements that cannot be tested."""
    for side in Side:
        yield f"## {side.heading}\n"
        yield "| id | claim | published | test | reproduced when | experiments | comparative |"
        yield "|---|---|---|---|---|---|---|"
        yield from (_claim(each) for each in claims() if each.side is side)
        yield ""
    yield "## Not judged\n"
    yield "| id | claim | sources | why not |"
    yield "|---|---|---|---|"
    yield from (_cells(*each) for each in UNTESTABLE)


def _claim(claim: Claim) -> str:
    return _cells(
        claim.id,
        f"{claim.statement} ({claim.sources})",
        claim.published,
        claim.test,
        claim.reproduced_when,
        ", ".join(claim.experiments) or "a kernel matrix",
        "yes" if claim.comparative else "no",
    )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _environment() -> Iterator[str]:
    """Yield the table of variables that bufbench reads."""
    yield "| variable | meaning |"
    yield "|---|---|"
    yield from (f"| `{name}` | {meaning} |" for name, meaning in cli.VARIABLES.items())
    yield ""
    yield f"Removed from the environment: {', '.join(f'`{name}`' for name in cli.IGNORED)}."


DOCUMENTS: Final = (
    *("README.md", "results/README.md", "docs/metrics.md", "docs/command-line.md"),
    *("docs/scale.md", "docs/claims.md"),
)
"""Documents with generated parts."""
BLOCKS: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "machine": lambda: iter([f"A {_machine('standard')}."]),
    "decision": _decision,
    "size": _size,
    "size-run": _size_run,
    "standard-verdict": lambda: (f"- {escape(line)}" for line in verdict(_run("standard"))),
    "quick-verdict": lambda: (f"- {escape(line)}" for line in verdict(_run("quick"))),
    "claims": _claims,
    "claims-tables": claims_tables,
    "environment": _environment,
    "interference": _interference,
    "washout": _washout,
    "kernels": _kernels,
    "names": _names,
    "scale": scale.table,
}


def written(text: str) -> str:
    """Return ``text`` with every generated part renewed; KeyError for a name that there is not."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_lines(found[2])}{found[3]}", text)


@cache
def _lines(name: str) -> str:
    return "\n".join(BLOCKS[name]()) + "\n"
