# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Print what a command would run, and for how long, without running it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bench.amounts import counted, duration
from bench.cli.output import answer
from bench.plan.duration import estimate_seconds
from bench.plan.experiments import Experiment
from bench.report.document import Cell, Document, Note, Row, Table
from bench.report.table import cells, columns

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedData:
    """Describe blocks of one experiment, each with all of these arms."""

    experiment: str
    title: str
    arms: tuple[str, ...]
    blocks: int
    trials: int
    seconds: float  # roughly


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanData:
    """Hold the JSON output; ``format`` is raised when a key changes its meaning."""

    format: int
    experiments: tuple[PlannedData, ...]
    trials: int
    seconds: float | None  # roughly; null if it depends on the results
    at_most_seconds: float | None
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def show(
    experiments: Iterable[Experiment],
    *,
    as_json: bool = False,
    times: int = 1,
    notes: Iterable[str] = (),
    left_out: Iterable[str] = (),
    known: bool = True,
    at_most_s: float | None = None,
    more_s: float = 0.0,
) -> None:
    """Print the plan; ``times`` is how often it is run, such as once for each kernel.

    A plan that is not ``known`` beforehand takes at most ``at_most_s``, by default as long as all
    of it; blocks may be added to it for ``more_s``.
    """
    planned = tuple(map(_planned, experiments))
    seconds = times * sum(each.seconds for each in planned)
    if at_most_s is None and (more_s or not known):
        at_most_s = seconds + more_s
    if more_s:
        notes = [*notes, "More blocks follow of what is left open."]
    data = PlanData(
        format=FORMAT,
        experiments=planned,
        trials=times * sum(each.trials for each in planned),
        seconds=seconds if known else None,
        at_most_seconds=at_most_s,
        left_out=tuple(left_out),
        notes=tuple(notes),
    )
    answer("json" if as_json else "text", [_document(data)])


def _planned(experiment: Experiment) -> PlannedData:
    return PlannedData(
        experiment=experiment.name,
        title=experiment.title,
        arms=tuple(arm.name for arm in experiment.arms),
        blocks=experiment.blocks,
        trials=experiment.blocks * len(experiment.arms),
        seconds=round(estimate_seconds(experiment), 1),
    )


def _document(data: PlanData) -> Document:
    most = "up to " if data.seconds is None else ""
    times = (("about", data.seconds), ("at most", data.at_most_seconds))
    takes = [f"{word} {duration(seconds)}" for word, seconds in times if seconds is not None]
    table = Table(
        key="plan",
        title="",
        corner="experiment",
        columns=(*columns("arms", numeric=False), *columns("blocks", "trials", "about")),
        rows=tuple(map(_row, data.experiments)),
    )
    return Document(
        title=f"Plan: {most}{counted(data.trials, 'trial')}, {', '.join(takes)}; nothing is run",
        subject="",
        parts=(table, *(Note(text=text) for text in (*data.notes, *data.left_out))),
        data=data,
    )


def _row(planned: PlannedData) -> Row:
    about = Cell(text=duration(planned.seconds), value=planned.seconds)
    return Row(
        heading=Cell(text=planned.experiment),
        cells=cells(" ".join(planned.arms), planned.blocks, planned.trials, about),
    )
