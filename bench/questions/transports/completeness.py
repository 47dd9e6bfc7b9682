# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What reports say of runs that were stopped, and of trials that were given twice."""

from __future__ import annotations

from collections.abc import Iterator

from bench.judge.coverage import Coverage
from bench.report.units import clean

_MOST_NAMED = 10


def incomplete(coverage: Coverage | None) -> str:
    """Return what a headline begins with where a run is incomplete, else ""."""
    if coverage is None or not coverage.incomplete:
        return ""
    return f"Incomplete ({coverage.ran:,} of {_planned(coverage)} trials ran): "


def completeness(coverage: Coverage | None) -> Iterator[str]:
    """Yield sentences on what is missing, and on how many runs were taken together."""
    if coverage is None:
        return
    if coverage.runs > 1:
        parts = []
        if coverage.incomplete:
            parts.append(f"{coverage.incomplete} incomplete")
        if coverage.unrecorded:
            parts.append(f"the plan of {coverage.unrecorded} was not recorded")
        text = f"pooled from {coverage.runs} runs, {', '.join(parts) or 'all complete'}"
    else:
        text = "the run was stopped" if coverage.incomplete else ""
    if coverage.incomplete:
        text += f": planned {_planned(coverage)} trials, {coverage.ran:,} ran"
    if text:
        yield f"{'Incomplete' if coverage.incomplete else 'Runs'}: {text}."
    if coverage.no_time_for:
        named = coverage.no_time_for[:_MOST_NAMED]
        more = len(coverage.no_time_for) - len(named)
        tail = f" and {more} more" if more else ""
        yield f"Left out for lack of time: {'; '.join(map(clean, named))}{tail}."


def _planned(coverage: Coverage) -> str:
    return f"{coverage.planned:,}{' or more' if coverage.open else ''}"


def repeats(trials: int) -> Iterator[str]:
    """Yield the line on ``trials`` that were given more than once."""
    if trials:
        was = "trial was" if trials == 1 else "trials were"
        yield f"{trials:,} {was} given more than once; each counts once"


def as_json(coverage: Coverage | None) -> dict[str, object] | None:
    """Return the keys of ``plan`` in every JSON document; docs/record-format.md has them."""
    if coverage is None:
        return None
    known = coverage.unrecorded < coverage.runs
    return {
        "complete": coverage.complete,
        "runs": coverage.runs,
        "runs_incomplete": coverage.incomplete,
        "runs_without_plan": coverage.unrecorded,
        "planned_trials": coverage.planned if known else None,
        "planned_trials_ran": coverage.ran if known else None,
        "more_was_planned": coverage.open if known else None,
        "no_time_for": list(coverage.no_time_for),
        "repeated_trials": coverage.repeated,
    }
