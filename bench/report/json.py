# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The summary as JSON. Keys are stable: ``format`` goes up when one changes its meaning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from bench.judge.comparison import Comparison, Row
from bench.judge.ladder import Ladder
from bench.judge.load import reduced as shortfalls
from bench.judge.standing import Standing
from bench.judge.summary import Summary
from bench.report.completeness import as_json
from bench.report.sentence import sentence, verdict
from bench.trial.result import TrialResult

FORMAT: Final = 2


def render_json(*summaries: Summary) -> str:
    """``{"format": 1, "summaries": [...]}``, one summary for each machine; ends in a newline."""
    values = {"format": FORMAT, "summaries": [_summary(summary) for summary in summaries]}
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def _summary(summary: Summary) -> dict[str, object]:
    return {
        "verdict": list(verdict(summary)),
        "machine": asdict(summary.machine) if summary.machine is not None else None,
        "profiles": list(summary.profiles),
        "seeds": list(summary.seeds),
        "plan": as_json(summary.coverage),
        "trials": [asdict(tally) for tally in summary.tallies],
        "invalid": [_trial(trial, trial.reasons) for trial in summary.invalid],
        "reduced": [_trial(trial, shortfalls(trial)) for trial in summary.reduced],
        "unequal": [asdict(pair) for pair in summary.unequal],
        "standings": [_standing(standing) for standing in summary.standings],
        "comparisons": [_comparison(comparison) for comparison in summary.comparisons],
        "ladders": [_ladder(ladder) for ladder in summary.ladders],
        "noise_floors": [asdict(floor) for floor in summary.floors],
        "faults": [asdict(fault) for fault in summary.faults],
    }


def _trial(trial: TrialResult, reasons: Sequence[str]) -> dict[str, object]:
    return {
        "experiment": trial.experiment,
        "arm": trial.arm,
        "block": trial.block,
        "reasons": list(reasons),
    }


def _where(comparison: Comparison) -> dict[str, object]:
    return {"experiment": comparison.experiment, "budget": comparison.budget}


def _standing(standing: Standing) -> dict[str, object]:
    return {
        "question": standing.question.value,
        "left": standing.left,
        "right": standing.right,
        "for_left": [_where(each) for each in standing.for_left],
        "for_right": [_where(each) for each in standing.for_right],
        "equal": [_where(each) for each in standing.equal],
        "open": [_where(each) for each in standing.open],
        "too_few": [_where(each) for each in standing.too_few],
        "directions": [
            {
                "winner": each.winner,
                "polls": [poll.value for poll in each.polls],
                "decided": [_where(one) for one in each.decided],
            }
            for each in standing.directions
        ],
    }


def _comparison(comparison: Comparison) -> dict[str, object]:
    return {
        **_where(comparison),
        "sentence": sentence(comparison),
        "left": asdict(comparison.left),
        "right": asdict(comparison.right),
        "numbers": {row.key: _row(row) for row in comparison.rows},
    }


def _row(row: Row) -> dict[str, object]:
    return {
        "group": row.group.value,
        "unit": row.unit.value,
        "left": row.left,
        "right": row.right,
        "estimate": asdict(row.estimate) if row.estimate is not None else None,
        "margin": row.margin,
        "noise_floor": asdict(row.floor) if row.floor is not None else None,
        "outcome": row.outcome.value,
        "better": {-1: "left", 0: None, 1: "right"}[row.better],
    }


def _ladder(ladder: Ladder) -> dict[str, object]:
    return {
        **asdict(ladder),
        "minimum_bytes": ladder.minimum_bytes,
        "recommended_bytes": ladder.recommended_bytes,
    }
