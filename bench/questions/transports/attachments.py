# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The experiment whose records may tear: programs by what they are attached to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.plan import arms
from bench.plan.budgets import MIB
from bench.plan.config import TrialConfig
from bench.plan.experiments import Experiment
from bench.questions.transports.profiles import RINGBUF
from bench.tracer.transports import find
from workloads.storm import Storm

TORN: Final = "torn"

_WORDS: Final = {RINGBUF: ("scratch", "raw", "raw:scratch", "tp_btf:scratch")}
_ELSE: Final = ("raw:scratch",)
_HELD_NS: Final = 500_000
"""Time that a program holds its record, so that a tick finds it there."""

_WORKERS: Final = 4  # for each CPU: there is always another to be run
_MOST_WORKERS: Final = 256
_LEAST_PROCESSES: Final = 150


def torn(storm: Storm, transports: Sequence[str], *, cpus: int, blocks: int) -> Experiment:
    """Return arms whose records tear where their programs are preempted, and those that must not.

    ``storm`` is by fork. It gets more workers than there are CPUs, so that a preempted program is
    followed by another process's exit on its CPU.
    """
    workers = min(_WORKERS * cpus, _MOST_WORKERS)
    storm = replace(storm, workers=workers, count=max(_LEAST_PROCESSES, workers, storm.count))
    sides = [
        arms.side(f"{transport}:{words}:delay={_HELD_NS}", find)
        for transport in transports
        for words in _WORDS.get(transport, _ELSE)
    ]
    return arms.compose(
        name=TORN,
        title="Does a program that is preempted send what it did not write?",
        config=TrialConfig(transport="none", budget_bytes=0, storm=storm),
        sides=sides,
        budgets_bytes=(MIB,),
        blocks=blocks,
        cpus=cpus,
    )
