# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Evidence from journals: one body of it for every machine and kernel."""

from __future__ import annotations

from collections.abc import Iterable

from bench.journal.schema import JournalContent, Run
from bench.judge.coverage import coverage
from bench.judge.samples import Stretch, file
from bench.linux.machine import Machine
from bench.questions.claims.evidence import Evidence, Kernel
from bench.questions.transports.profiles import PERFBUF, RINGBUF
from bench.questions.transports.summary import by_machine
from bench.trial.result import State, TrialResult


def of_journals(content: JournalContent) -> tuple[Evidence, ...]:
    """Return evidence of each machine that has trials, in the order of the journals."""
    kernels = _kernels(content.runs)
    return tuple(
        Evidence(
            experiments=file(
                Stretch(trials=run.trials, machine=run.header.machine) for run in group
            ),
            machine=group[0].header.machine,
            kernels=kernels,
            coverage=coverage(group, content.repeated),
        )
        for group in by_machine(content)
        if any(run.trials for run in group)
    )


def of_trials(trials: Iterable[TrialResult], machine: Machine | None = None) -> Evidence:
    """Return evidence of one run that need not stand in a journal."""
    return Evidence(
        experiments=file((Stretch(trials=tuple(trials), machine=machine),)), machine=machine
    )


def _kernels(runs: Iterable[Run]) -> tuple[Kernel, ...]:
    counts: dict[str, dict[str, int]] = {}
    without: set[str] = set()
    for run in runs:
        if run.header.machine.kernel_facts.get("ring_buffer", "no") == "no":
            without.add(run.header.machine.kernel_release)
        of_kernel = counts.setdefault(run.header.machine.kernel_release, {})
        for trial in run.trials:
            if trial.state is not State.INVALID:
                transport = trial.config.transport
                of_kernel[transport] = of_kernel.get(transport, 0) + 1
    return tuple(
        Kernel(
            release=release,
            ring_trials=of_kernel.get(RINGBUF, 0),
            perf_trials=of_kernel.get(PERFBUF, 0),
        )
        for release, of_kernel in counts.items()
        # A run that ended before its first trial on the ring says nothing of it.
        if of_kernel.get(RINGBUF) or (of_kernel.get(PERFBUF) and release in without)
    )
