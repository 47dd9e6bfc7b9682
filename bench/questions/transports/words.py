# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Name machines, transports and places in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.amounts import counted, size
from bench.errors import clean
from bench.judge.comparison import Comparison
from bench.judge.ladder import Ladder
from bench.linux.machine import Machine
from bench.plan.config import Poll
from bench.plan.experiments import LADDER_STORMS
from bench.questions.transports.standing import Direction
from bench.report.units import budget
from bench.tracer.transports import traits

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
