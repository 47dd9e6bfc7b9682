# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Say what is missing from the runs, and which were taken together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.amounts import counted
from bench.errors import clean
from bench.questions.transports.coverage import PlanData
from bench.report.document import Sentence

_MOST_NAMED: Final = 10


def incomplete(coverage: PlanData | None) -> str:
    """Return the beginning of the headline of an incomplete run, else ""."""
    if coverage is None or not coverage.runs_incomplete:
        return ""
    return f"Incomplete ({coverage.planned_trials_ran:,} of {_planned(coverage)} trials ran): "


def completeness(coverage: PlanData | None) -> Iterator[Sentence]:
    """Yield sentences on what is missing from the runs."""
    if coverage is None:
        return
    # A run writes this as it ends, so it was not stopped.
    text = "time ran out" if coverage.no_time_for else "the run was stopped"
    if coverage.runs > 1:
        lacking = coverage.runs_incomplete
        parts = [f"{lacking} incomplete"] * bool(lacking)
        if unknown := coverage.runs_without_plan:
            parts.append(f"the plan of {unknown} was not recorded")
        text = f"pooled from {coverage.runs} runs, {', '.join(parts)}"
    if coverage.runs_incomplete:
        trials = f"planned {_planned(coverage)} trials, {coverage.planned_trials_ran:,} ran"
        yield Sentence(lead="Incomplete", text=f"{text}: {trials}.")
    elif coverage.runs > 1 and not coverage.complete:
        yield Sentence(lead="Runs", text=f"{text}.")
    if coverage.no_time_for:
        more = len(coverage.no_time_for) - _MOST_NAMED
        tail = f" and {more} more" if more > 0 else ""
        named = "; ".join(map(clean, coverage.no_time_for[:_MOST_NAMED]))
        yield Sentence(lead="Left out for lack of time", text=f"{named}{tail}.")


def pooled(coverage: PlanData | None) -> Iterator[Sentence]:
    """Yield the sentence on several runs that were taken together, if all are complete."""
    if coverage is not None and coverage.runs > 1 and coverage.complete:
        yield Sentence(lead="Runs", text=f"pooled from {coverage.runs} runs, all complete.")


def _planned(coverage: PlanData) -> str:
    return f"{coverage.planned_trials:,}{' or more' if coverage.more_was_planned else ''}"


def repeats(trials: int) -> Iterator[str]:
    """Yield the line on ``trials`` that were given more than once."""
    if trials:
        yield (
            f"{counted(trials, 'trial was', 'trials were')} given more than once; each counts once"
        )
