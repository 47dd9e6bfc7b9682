# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What it takes to repeat the runs, and the noise that they met."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from bench.judge.load import reasons_of, state_of
from bench.judge.metrics import Unit
from bench.linux.machine import Machine
from bench.questions.transports.summary import Material
from bench.questions.transports.words import cpus_words
from bench.report.units import clean, number, share, size
from bench.trial.result import State, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run."""

    command: str
    profile: str
    seed: int
    started: str
    trials: int
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A trial that is not plainly valid."""

    state: str
    trial: str
    line: str
    reasons: str


def run_facts(material: Material) -> tuple[RunFacts, ...]:
    """Return every run, in order."""
    return tuple(
        RunFacts(
            command=shlex.join(run.header.command_line),
            profile=run.header.profile or "a single experiment",
            seed=run.header.seed,
            started=run.header.started_utc,
            trials=len(run.trials),
            resumed=run.header.resumed,
        )
        for run in material.runs
    )


def machine_facts(machine: Machine | None) -> tuple[tuple[str, str], ...]:
    """Return machine and kernel as rows of a table."""
    if machine is None:
        return ()
    wakeup = number(machine.wakeup_cost_ns, Unit.NS)
    return (
        ("Host", machine.hostname),
        ("Kernel", machine.kernel_release),
        ("Preemption", machine.preemption),
        ("CPUs", f"{cpus_words(machine)} ({machine.cpu_model})"),
        ("Memory", size(machine.memory_bytes)),
        ("Clock source", machine.clock_source),
        ("Virtualisation", "emulated" if machine.emulated else machine.virtualisation),
        *_beneath(machine),
        ("Cost of one wake-up", wakeup if wakeup != "-" else "not measured"),
        ("bcc", machine.bcc_version),
        ("bufbench", machine.harness_version),
        *((f"Kernel fact: {key}", value) for key, value in machine.kernel_facts.items()),
    )


def _beneath(machine: Machine) -> Iterator[tuple[str, str]]:
    """Yield what decides how soon an idle CPU runs again, where it is recorded."""
    if machine.idle_held is not None:
        held = "kept shallow while trials ran" if machine.idle_held else "as deep as they may"
        yield "Idle states", f"{machine.idle_states or 'the kernel names none'}; {held}"
    if machine.frequency:
        yield "Frequency", machine.frequency


def noise(material: Material) -> tuple[tuple[str, str], ...]:
    """Return steal, load and foreign exits over all trials: the median and the worst."""
    trials = [trial for run in material.runs for trial in run.trials]
    steal = [trial.conditions.steal_share for trial in trials]
    load = [trial.conditions.load_1m for trial in trials]
    others = [trial.conditions.other_exits for trial in trials]
    away_s = [(trial.conditions.away_ns or 0) / 1e9 for trial in trials]
    beside = sorted({name for trial in trials for name in trial.conditions.neighbours or ()})
    return (
        (
            "CPU time stolen by the host",
            f"median {share(median(steal))}, at most {share(max(steal))}",
        ),
        ("Load average, 1 minute", f"median {median(load):.1f}, at most {max(load):.1f}"),
        (
            "Exits of other processes in a trial",
            f"median {median(others):.0f}, at most {max(others)}",
        ),
        ("Longest time that the harness did not run", f"{max(away_s):.2f} s"),
        ("Programs of others at the same event", clean(", ".join(beside)) or "none seen"),
    )


def named(material: Material) -> tuple[Named, ...]:
    """Return the trials that are invalid, reduced, disturbed or noisy, in this order."""
    order = {State.INVALID: 0, State.REDUCED: 1, State.DISTURBED: 2, State.NOISY: 3}
    found = [
        trial for run in material.runs for trial in run.trials if state_of(trial) is not State.VALID
    ]
    found.sort(key=lambda trial: order[state_of(trial)])
    return tuple(_named(trial, material) for trial in found)


def _named(trial: TrialResult, material: Material) -> Named:
    place = material.places.get(id(trial))
    return Named(
        state=state_of(trial).value,
        trial=f"{trial.experiment} {trial.arm} block {trial.block}",
        line=f"{place.path}, line {place.number}" if place is not None else "",
        reasons="; ".join(reasons_of(trial)),
    )
