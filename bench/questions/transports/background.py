# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Write the page's background: memory explained, noise, and how to repeat the runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import starmap
from operator import attrgetter
from pathlib import Path
from statistics import median, median_high
from typing import Final

from bench.amounts import counted, share, size, time
from bench.errors import clean
from bench.judge.load import reasons_of, state_of
from bench.judge.memory import INSTRUMENTS, JudgedMemory, Worth, latest
from bench.judge.metrics import Unit
from bench.linux.machine import Machine
from bench.questions.transports.figures.panels import shown_arms
from bench.questions.transports.summary import Places, Summary
from bench.questions.transports.words import cpus_words
from bench.report import document as doc
from bench.report.table import columns, quantity, row
from bench.report.units import number
from bench.trial.result import State, TrialResult

_FOLDERS: Final = re.compile(r"^(-[^=]*=)?/(?:(?:(?! [-/]).)*/)?")
"""The folders of a word that begins with an absolute path (a command in one word may have
arguments after it), or of an option that has one."""
_STATES: Final = ("valid", "noisy", "disturbed", "reduced", "invalid")


EXPLAINED: Final = {
    "true bytes": "come from the formula: a ring of D data pages takes D + 3 pages and "
    "8 x (3 + 2 D) bytes of pointers; perf buffers of P pages on each of N CPUs take N x (P + 1) "
    "pages and 8 x P bytes of pointers each",
    "mapped": "is the length of the consumer's mappings: it contains a ring's data twice",
    "VmRSS": "counts a ring twice, since its data is mapped twice in a row; perf pages it counts "
    "or not, depending on the kernel (on 6.18 not at all); some KiB are the process's own",
    "VmPin": "shows perf pages only beyond perf_event_mlock_kb, an allowance per user: nothing at "
    "small budgets, and never a ring",
    "memlock": "in fdinfo of the map: of a ring bytes on 5.10, 0 from about 5.11 and right from "
    "about 6.4; of a perf event array only the array of descriptors, never the buffers",
    "memcg": "is charged for a ring from about 5.11, for perf buffers never (but for the page "
    "tables that map them)",
    "free pages": "of the whole system agree with the formula, but only where many copies are "
    "made at once: the rest of the machine allocates too",
}
"""What each instrument reports."""

_WORTHS: Final = {
    Worth.RIGHT: doc.Mark.GOOD,
    Worth.WRONG: doc.Mark.OPEN,
    Worth.NOTHING: doc.Mark.SOFT,
    Worth.UNKNOWN: doc.Mark.SOFT,
}


def background(summary: Summary, places: Places) -> Iterator[doc.Part]:
    """Yield what was measured where, and how to repeat it."""
    for each in (*_memory(summary), *_noise(summary, places), *_repeat(summary)):
        yield replace(each, level=doc.Level.BACKGROUND)


def _memory(summary: Summary) -> Iterator[doc.Part]:
    yield doc.Heading(text="Memory explained", key="memory", short="Memory")
    yield doc.Note(text="The usual instruments disagree, since each counts something else:")
    yield doc.definitions(EXPLAINED)
    looked = [line for run in summary.runs for line in run.memory]  # else the trials' values
    if rows := tuple(map(_censused, latest(looked)) if looked else _of_trials(summary)):
        yield doc.Table(
            key="memory",
            title="Memory by transport and budget",
            corner="transport",
            columns=columns("budget", "true bytes", *(each.label for each in INSTRUMENTS)),
            rows=rows,
            hint='"-": an instrument reported nothing; ✓ agrees with the true bytes (mapped: with '
            "its formula).",
        )


def _censused(judged: JudgedMemory) -> doc.Row:
    line = judged.line
    return row(
        doc.Cell(text=line.transport, transport=line.transport),
        *map(_bytes, (line.budget_bytes, line.physical_bytes)),
        *(cell(judged, each.key) for each in INSTRUMENTS),
        reason="; ".join(dict.fromkeys(line.untold.values())),
    )


def _bytes(value: int | None) -> doc.Cell:
    return quantity(value, Unit.BYTES)


def cell(judged: JudgedMemory, key: str) -> doc.Cell:
    """Return an instrument's number, marked by whether it is right."""
    worth, found = judged.worths[key], _bytes(getattr(judged.line, key))
    return replace(
        found,
        text=f"{found.text} ✓" if worth is Worth.RIGHT else found.text,
        mark=_WORTHS[worth],
        hint=judged.line.untold.get(key, ""),
    )


def _of_trials(summary: Summary) -> Iterator[doc.Row]:
    """Yield medians over the first experiment that has the transport at the budget."""
    arms: dict[tuple[int, str], tuple[TrialResult, ...]] = {}
    for arm in shown_arms(summary):
        if not arm.variant and arm.trials[0].memory:
            arms.setdefault((arm.budget_bytes, arm.transport), arm.trials)
    for (budget_bytes, transport), trials in sorted(arms.items(), key=lambda each: each[0]):
        found = [trial.memory for trial in trials if trial.memory is not None]
        shown: list[int | None] = [budget_bytes, found[0].footprint.physical_bytes]
        for each in INSTRUMENTS:
            values = (getattr(memory.observed, each.key, None) for memory in found)
            known = [value for value in values if value is not None]
            shown.append(median_high(known) if known else None)
        yield row(doc.Cell(text=transport, transport=transport), *map(_bytes, shown))


def _noise(summary: Summary, places: Places) -> Iterator[doc.Part]:
    trials = [trial for run in summary.runs for trial in run.trials]
    yield doc.Heading(text="Noise and trials", key="noise", short="Noise")
    yield doc.Table(
        key="states",
        title="Trials by experiment and state; reduced and invalid ones are not compared",
        corner="experiment",
        columns=columns(*_STATES),
        rows=tuple(
            row(each.experiment, *map(str, attrgetter(*_STATES)(each))) for each in summary.tallies
        ),
    )
    yield doc.definitions(_met(trials))
    named = [trial for trial in trials if state_of(trial) is not State.VALID]
    if not named:
        yield doc.Note(text="All trials are valid: every ledger balanced, nothing was disturbed.")
        return
    named.sort(key=lambda trial: _STATES.index(state_of(trial)), reverse=True)
    table = doc.Table(
        key="named",
        title="Invalid trials first",
        corner="trial",
        columns=columns("state", "why", "journal", numeric=False),
        rows=tuple(_named(trial, places) for trial in named),
        level=doc.Level.BACKGROUND,
    )
    summary_of = f"{counted(len(named), 'trial')} noisy, disturbed, reduced or invalid"
    yield doc.Fold(key="named", summary=summary_of, parts=(table,))


def _met(trials: list[TrialResult]) -> dict[str, str]:
    """Return steal, load and foreign exits over all trials: the median and the worst."""
    met = [trial.conditions for trial in trials]
    steal, load, others = (
        [getattr(each, name) for each in met] for name in ("steal_share", "load_1m", "other_exits")
    )
    beside = sorted({name for each in met for name in each.neighbours or ()})
    away_ns = max(each.away_ns or 0 for each in met)
    stolen = f"median {share(median(steal))}, at most {share(max(steal))}"
    exits = f"median {median(others):.0f}, at most {max(others)}"
    return {
        "CPU time stolen by the host": stolen,
        "Load average, 1 minute": f"median {median(load):.1f}, at most {max(load):.1f}",
        "Exits of other processes in a trial": exits,
        "Longest time that the harness did not run": time(away_ns),
        "Other programs attached to the same event": clean(", ".join(beside)) or "none seen",
    }


def _named(trial: TrialResult, places: Places) -> doc.Row:
    line = places.get(id(trial))
    where = f"{line.path}, line {line.number}" if line is not None else ""
    heading = f"{trial.experiment} {trial.arm} block {trial.block}"
    return row(heading, state_of(trial).value, "; ".join(reasons_of(trial)), where)


def _command(words: Sequence[str]) -> str:
    """Return the command to repeat a run, without the folders of the machine that ran it."""
    program, *options = words or ("",)
    options = [_FOLDERS.sub(lambda found: found[1] or "", option) for option in options]
    where = Path(program)
    if where.name == "__main__.py":
        return shlex.join(["python", "-m", f"bench.{where.parent.name}", *options])
    return shlex.join([where.name, *options])


def _repeat(summary: Summary) -> Iterator[doc.Part]:
    yield doc.Heading(text="How to repeat it", key="repeat", short="Repeat")
    for run in summary.runs:
        header = run.header
        yield doc.Command(text=_command(header.command_line))
        yield doc.Note(
            text=f"{header.started_utc}: profile {header.profile or 'a single experiment'}, seed "
            f"{header.seed}, {counted(len(run.trials), 'trial')}"
            f"{', resumed' if header.resumed else ''}",
        )
    facts = _facts(summary.machine) if summary.machine is not None else {}
    yield doc.Table(
        key="machine",
        title="Machine and kernel; facts of the kernel are probed from BTF and tracefs",
        corner="fact",
        columns=columns("", numeric=False),
        rows=tuple(starmap(row, facts.items())),
    )


def _facts(machine: Machine) -> dict[str, str]:
    wakeup = number(machine.wakeup_cost_ns, Unit.NS)
    beneath = {}  # what determines how soon an idle CPU runs again, if recorded
    if machine.idle_held is not None:
        held = "kept shallow while trials ran" if machine.idle_held else "as deep as they may"
        beneath["Idle states"] = f"{machine.idle_states or 'the kernel names none'}; {held}"
    if machine.frequency:
        beneath["Frequency"] = machine.frequency
    return {
        "Host": machine.hostname,
        "Kernel": machine.kernel_release,
        "Preemption": machine.preemption,
        "CPUs": f"{cpus_words(machine)} ({machine.cpu_model})",
        "Memory": size(machine.memory_bytes),
        "Clock source": machine.clock_source,
        "Virtualisation": machine.hypervisor,
        **beneath,
        "Cost of one wake-up": wakeup if wakeup != doc.NONE else "not measured",
        "bcc": machine.bcc_version,
        "bufbench": machine.harness_version,
        **{f"Kernel fact: {key}": value for key, value in machine.kernel_facts.items()},
    }
