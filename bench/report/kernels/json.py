# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels as JSON; docs/record-format.md describes it."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from typing import Any, Final

from bench.judge.claims.finding import Finding
from bench.judge.kernels.matrix import Matrix
from bench.judge.kernels.missed import Skipped
from bench.judge.kernels.rows import KernelRow
from bench.judge.memory import Judged
from bench.report.completeness import as_json
from bench.report.kernels import sentences
from bench.report.units import clean

FORMAT: Final = 2


def render_json(matrix: Matrix) -> str:
    """One object; every list over kernels has the order of ``kernels``."""
    return json.dumps(_matrix(matrix), indent=2, ensure_ascii=False, allow_nan=False)


def _matrix(matrix: Matrix) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "title": sentences.title(matrix),
        "verdict": list(sentences.verdict(matrix)),
        "kernels": [_kernel(row) for row in matrix.rows],
        "changes": [
            {
                "key": change.fact.key,
                "title": change.fact.title,
                "published": change.fact.published,
                "states": list(change.states),
                "onsets": [clean(matrix.rows[at].label) for at in change.onsets],
            }
            for change in matrix.changes
        ],
        "curves": [
            {
                "key": curve.key,
                "what": curve.what,
                "experiment": clean(curve.experiment),
                "budget": clean(curve.budget),
                "unit": curve.unit.value,
                "times_within_one_guest": curve.time,
                "points": [
                    {
                        "kernel": clean(matrix.rows[point.row].label),
                        "series": point.series,
                        "value": _number(point.value),
                        "low": _number(point.low),
                        "high": _number(point.high),
                        "blocks": point.blocks,
                        "note": point.note,
                    }
                    for point in curve.points
                ],
            }
            for curve in matrix.curves
        ],
        "claims": [
            {
                "id": each.claim.id,
                "together": _finding(each.together),
                "findings": [_finding(found) for found in each.findings],
            }
            for each in matrix.claims
        ],
        "missed": [
            {
                "kernel": clean(matrix.rows[each.row].label),
                "preemption": clean(each.preemption),
                "peace": _skipped(each.peace),
                "noise": _skipped(each.noise),
            }
            for each in matrix.missed
        ],
        "order": [
            {
                "transport": each.transport,
                "kernels": each.kernels,
                "violating": list(each.violating),
                "causal_pairs": each.pairs,
                "causal_violations": each.violations,
            }
            for each in matrix.order
        ],
        "invalid": [
            {
                "kernel": clean(label),
                "experiment": clean(trial.experiment),
                "arm": clean(trial.arm),
                "block": trial.block,
                "reasons": [clean(reason) for reason in trial.reasons],
            }
            for label, trial in matrix.invalid
        ],
        "repeated_trials": matrix.repeated,
        "faults": [asdict(fault) for fault in matrix.faults],
    }


def _kernel(row: KernelRow) -> dict[str, Any]:
    found = row.result
    return {
        "label": clean(row.label),
        "release": clean(row.release),
        "status": clean(row.status),
        "reason": clean(row.reason),
        "notes": [clean(note) for note in row.notes],
        "place": clean(row.place),
        "machine": asdict(found.machine) if found is not None else None,
        "trials": found.summary.trials if found is not None else 0,
        "plan": as_json(found.summary.coverage) if found is not None else None,
        "memory": [_memory(judged) for judged in found.memory] if found is not None else [],
    }


def _memory(judged: Judged) -> dict[str, Any]:
    return {**asdict(judged.line), "worths": {k: v.value for k, v in judged.worths.items()}}


def _finding(found: Finding | None) -> dict[str, Any] | None:
    if found is None:
        return None
    measured = found.measured
    return {
        "verdict": found.verdict.value,
        "reason": clean(found.reason),
        "measured": None
        if measured is None
        else {
            "what": measured.what,
            "unit": measured.unit.value,
            "point": _number(measured.point),
            "low": _number(measured.low),
            "high": _number(measured.high),
        },
        "blocks": found.blocks,
    }


def _skipped(found: Skipped | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "trials": found.trials,
        "reaped": found.exits,
        "missed": found.missed,
        "skipped_told": found.told,
        "missed_share": found.share.point,
        "low": found.share.low,
        "high": found.share.high,
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
