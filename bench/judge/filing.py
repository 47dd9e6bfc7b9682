# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""File the trials of runs by experiment, arm and block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bench.judge.columns import columns_of
from bench.judge.load import Load
from bench.judge.samples import ArmSamples, ExperimentSamples, Part, Stretch
from bench.measure.columns import Integers
from bench.plan.experiments import ArmName
from bench.trial.result import State


def file(stretches: Iterable[Stretch]) -> dict[str, ExperimentSamples]:
    """File all trials by experiment, in the order of their first trials.

    Invalid and reduced ones are kept apart, and do not count.
    """
    experiments: dict[str, ExperimentSamples] = {}
    known: dict[Load, int] = {}
    for run, stretch in enumerate(stretches):
        _take(experiments, known, run, stretch)
    for experiment in experiments.values():
        experiment.hand_out_baselines()
    return experiments


def _take(
    experiments: dict[str, ExperimentSamples], known: dict[Load, int], run: int, stretch: Stretch
) -> None:
    columns = columns_of(stretch.trials)
    kinds = [*State]
    states = np.array([kinds.index(each) for each in columns.states()], np.int64)
    counts = ~np.isin(states, [kinds.index(State.INVALID), kinds.index(State.REDUCED)])
    blocks = columns.blocks()
    places, listed = columns.loads()
    loads = np.array([known.setdefault(each, len(known)) for each in listed], np.int64)[places]
    met: list[tuple[int, ExperimentSamples, ArmName, Integers]] = []
    of_experiment: dict[str, list[Integers]] = {}
    for name, arm, rows in columns.arms():
        samples = experiments.setdefault(name, ExperimentSamples(name=name))
        of_experiment.setdefault(name, []).append(rows)
        if len(counting := rows[counts[rows]]):
            _, first = np.unique(blocks[counting], return_index=True)
            met.append((int(counting[0]), samples, arm, counting[np.sort(first)]))
    for _, samples, arm, rows in sorted(met, key=lambda each: each[0]):
        part = Part(
            run=run,
            columns=columns.chosen(rows),
            machine=stretch.machine,
            loads=loads[rows],
        )
        samples.arms.setdefault(arm, ArmSamples(name=arm)).parts.append(part)
    for name, parts in of_experiment.items():
        samples, rows = experiments[name], np.sort(np.concatenate(parts))
        apart = {State.INVALID: samples.invalid, State.REDUCED: samples.reduced}
        for at in np.unique(states[rows]).tolist():
            here, state = rows[states[rows] == at], kinds[at]
            samples.states[state] = samples.states.get(state, 0) + len(here)
            if state in apart:
                apart[state].extend(columns.chosen(here).trials())
