# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Show progress on stderr: a bar with the time left or, off a terminal, a line per experiment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TextIO

from bench.amounts import counted, duration
from bench.plan.duration import OVERHEAD_S, estimate_seconds, trial_seconds
from bench.plan.experiments import Experiment
from bench.trial.result import TrialResult

Begin = Callable[[Experiment], Callable[[TrialResult], None]]


@contextmanager
def shown(experiments: Iterable[Experiment], stream: TextIO | None = None) -> Iterator[Begin]:
    """Yield a function to call as each experiment begins; it returns one to call for each trial.

    It is shown on ``stream``, by default stderr: a bar on a terminal, else lines.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    plan = tuple(experiments)
    total_s = sum(estimate_seconds(experiment) for experiment in plan)
    console = Console(file=stream or sys.stderr)
    if not console.is_terminal:
        yield _lines(len(plan), stream)
        return
    name, share = TextColumn("{task.description}"), TextColumn("{task.percentage:>3.0f} %")
    columns = name, BarColumn(), share, TimeRemainingColumn()
    # Lines that are printed meanwhile go above the bar, unless stderr is captured.
    above = stream is None
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=above,
        redirect_stderr=above,
    ) as bar:
        task = bar.add_task("", total=total_s)

        def begin(experiment: Experiment) -> Callable[[TrialResult], None]:
            bar.update(task, description=experiment.name)

            def advance(trial: TrialResult) -> None:
                of_storm_s = trial_seconds(trial.config) + OVERHEAD_S
                bar.advance(task, of_storm_s * experiment.storms / len(experiment.arms))

            return advance

        yield begin


def _lines(experiments: int, stream: TextIO | None) -> Begin:
    numbers = count(1)

    def begin(experiment: Experiment) -> Callable[[TrialResult], None]:
        trials = counted(experiment.blocks * len(experiment.arms), "trial")
        announce(experiment, trials, f"[{next(numbers)}/{experiments}] ", stream)
        return lambda _: None

    return begin


def announce(
    experiment: Experiment, trials: str, before: str = "", stream: TextIO | None = None
) -> None:
    """Announce an experiment: its name, its number of ``trials``, its expected length."""
    text = f"{before}{experiment.name}: {trials}; about {duration(estimate_seconds(experiment))}"
    print(text, file=stream or sys.stderr, flush=True)
