# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What JSON has of a run's summary: docs/record-format.md describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bench.judge.comparison import Comparison, Row
from bench.judge.load import reduced
from bench.questions.transports.sentence import sentence, verdict
from bench.questions.transports.standing import Standing
from bench.questions.transports.summary import Summary
from bench.questions.transports.words import as_json
from bench.report.document import Document, pick

FORMAT: Final = 2
"""Goes up when a key changes its meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A trial that enters no number, and why."""

    experiment: str
    arm: str
    block: int
    reasons: tuple[str, ...]


def report_of(*documents: Document) -> dict[str, Any]:
    """Return what JSON has of several machines."""
    return {"format": FORMAT, "summaries": [each.data for each in documents]}


def data_of(summary: Summary) -> dict[str, Any]:
    """Return what JSON has of one machine."""
    return {
        "verdict": verdict(summary),
        "machine": summary.machine,
        "plan": as_json(summary.coverage),
        **_fields(summary, "profiles", "seeds"),
        "trials": summary.tallies,
        "invalid": [pick(LeftOut, each) for each in summary.invalid],
        "reduced": [pick(LeftOut, each, reasons=reduced(each)) for each in summary.reduced],
        "unequal": summary.unequal,
        "standings": [_standing(each) for each in summary.standings],
        "comparisons": [_comparison(each) for each in summary.comparisons],
        "ladders": [
            _fields(each, "experiment", "transport", "rungs", "minimum_bytes", "recommended_bytes")
            for each in summary.ladders
        ],
        "noise_floors": summary.floors,
        "faults": summary.faults,
    }


def _fields(source: object, *names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def _standing(standing: Standing) -> dict[str, Any]:
    groups = ("for_left", "for_right", "equal", "equivalent", "open", "too_few")
    return {
        **_fields(standing, "question", "left", "right"),
        **{name: _wheres(getattr(standing, name)) for name in groups},
        "directions": [
            {**_fields(each, "winner", "polls"), "decided": _wheres(each.decided)}
            for each in standing.directions
        ],
    }


def _wheres(comparisons: tuple[Comparison, ...]) -> list[dict[str, Any]]:
    return [_fields(each, "experiment", "budget") for each in comparisons]


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        **_fields(comparison, "experiment", "budget"),
        "sentence": sentence(comparison),
        **_fields(comparison, "left", "right"),
        "numbers": {row.key: _number(row) for row in comparison.rows},
    }


def _number(row: Row) -> dict[str, Any]:
    return {
        **_fields(row, "group", "unit", "left", "right", "estimate", "margin"),
        "noise_floor": row.floor,
        "outcome": row.outcome,
        "resolvable": row.estimate and row.estimate.resolvable,
        "better": {-1: "left", 0: None, 1: "right"}[row.better],
    }
