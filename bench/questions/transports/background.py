# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The page's background: memory explained, the noise that runs met, how to repeat them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from statistics import median

from bench.judge.load import reasons_of, state_of
from bench.judge.memory import INSTRUMENTS
from bench.judge.metrics import Unit
from bench.linux.machine import Machine
from bench.questions.transports.memory import EXPLAINED, memory_rows
from bench.questions.transports.summary import Material
from bench.questions.transports.tables import cells, columns
from bench.questions.transports.words import cpus_words
from bench.report.document import (
    NONE,
    Cell,
    Command,
    Definitions,
    Fold,
    Heading,
    Level,
    Note,
    Part,
    Row,
    Table,
)
from bench.report.units import clean, number, share, size
from bench.trial.result import State, TrialResult

_LEVEL = Level.BACKGROUND
_STATES = ("valid", "noisy", "disturbed", "reduced", "invalid")


def background(material: Material) -> Iterator[Part]:
    """Yield what was measured where, and how to repeat it."""
    yield from _memory(material)
    yield from _noise(material)
    yield from _repeat(material)


def _definitions(entries: dict[str, str]) -> Definitions:
    return Definitions(entries=tuple((term, (text,)) for term, text in entries.items()))


def _memory(material: Material) -> Iterator[Part]:
    yield Heading(text="Memory explained", key="memory", short="Memory", level=_LEVEL)
    yield Note(
        text="The usual instruments disagree, since each counts something else:", level=_LEVEL
    )
    yield _definitions(EXPLAINED)
    if rows := memory_rows(material):
        yield Table(
            key="memory",
            title="Memory by transport and budget",
            corner="transport",
            columns=columns("budget", "true bytes", *(each.label for each in INSTRUMENTS)),
            rows=rows,
            hint='"-": an instrument reported nothing; ✓ agrees with the true bytes (mapped: with '
            "its formula).",
            level=_LEVEL,
        )


def _noise(material: Material) -> Iterator[Part]:
    trials = [trial for run in material.runs for trial in run.trials]
    yield Heading(text="Noise and trials", key="noise", short="Noise", level=_LEVEL)
    yield Table(
        key="states",
        title="Trials by experiment and state; reduced and invalid ones enter no comparison",
        corner="experiment",
        columns=columns(*_STATES),
        rows=tuple(
            Row(
                heading=Cell(text=tally.experiment),
                cells=tuple(
                    Cell(text=str(count), value=count)
                    for count in (getattr(tally, state) for state in _STATES)
                ),
            )
            for tally in material.summary.tallies
        ),
        level=_LEVEL,
    )
    yield _definitions(_met(trials))
    named = [trial for trial in trials if state_of(trial) is not State.VALID]
    if not named:
        yield Note(
            text="All trials are valid: every ledger balanced, nothing was disturbed.",
            level=_LEVEL,
        )
        return
    named.sort(key=lambda trial: _STATES.index(state_of(trial)), reverse=True)
    table = Table(
        key="named",
        title="Invalid trials first",
        corner="trial",
        columns=columns("state", "why", "journal", numeric=False),
        rows=tuple(_named(trial, material) for trial in named),
        level=_LEVEL,
    )
    yield Fold(
        key="named",
        summary=f"{len(named)} trials that are not plainly valid",
        parts=(table,),
        level=_LEVEL,
    )


def _met(trials: list[TrialResult]) -> dict[str, str]:
    """Return steal, load and foreign exits over all trials: the median and the worst."""
    met = [trial.conditions for trial in trials]
    steal = [each.steal_share for each in met]
    load = [each.load_1m for each in met]
    others = [each.other_exits for each in met]
    beside = sorted({name for each in met for name in each.neighbours or ()})
    return {
        "CPU time stolen by the host": f"median {share(median(steal))}, at most "
        f"{share(max(steal))}",
        "Load average, 1 minute": f"median {median(load):.1f}, at most {max(load):.1f}",
        "Exits of other processes in a trial": f"median {median(others):.0f}, at most "
        f"{max(others)}",
        "Longest time that the harness did not run": f"{max(e.away_ns or 0 for e in met) / 1e9:.2f}"
        " s",
        "Programs of others at the same event": clean(", ".join(beside)) or "none seen",
    }


def _named(trial: TrialResult, material: Material) -> Row:
    line = material.places.get(id(trial))
    return Row(
        heading=Cell(text=f"{trial.experiment} {trial.arm} block {trial.block}"),
        cells=cells(
            state_of(trial).value,
            "; ".join(reasons_of(trial)),
            f"{line.path}, line {line.number}" if line is not None else "",
        ),
    )


def _repeat(material: Material) -> Iterator[Part]:
    yield Heading(text="To repeat it", key="repeat", short="Repeat", level=_LEVEL)
    for run in material.runs:
        header = run.header
        yield Command(text=shlex.join(header.command_line))
        yield Note(
            text=f"{header.started_utc}: profile {header.profile or 'a single experiment'}, seed "
            f"{header.seed}, {len(run.trials):,} trials{', resumed' if header.resumed else ''}",
            level=_LEVEL,
        )
    machine = material.summary.machine
    yield Table(
        key="machine",
        title="Machine and kernel; facts of the kernel are probed from BTF and tracefs",
        corner="fact",
        columns=columns("", numeric=False),
        rows=tuple(
            Row(heading=Cell(text=fact), cells=cells(value))
            for fact, value in (_facts(machine).items() if machine is not None else ())
        ),
        level=_LEVEL,
    )


def _facts(machine: Machine) -> dict[str, str]:
    wakeup = number(machine.wakeup_cost_ns, Unit.NS)
    beneath = {}  # what decides how soon an idle CPU runs again, where it is recorded
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
        "Virtualisation": "emulated" if machine.emulated else machine.virtualisation,
        **beneath,
        "Cost of one wake-up": wakeup if wakeup != NONE else "not measured",
        "bcc": machine.bcc_version,
        "bufbench": machine.harness_version,
        **{f"Kernel fact: {key}": value for key, value in machine.kernel_facts.items()},
    }
