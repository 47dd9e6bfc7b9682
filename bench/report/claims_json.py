# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judged claims as JSON. Keys are stable: ``format`` goes up when one changes its meaning."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from typing import Final

from bench.judge.claims.catalogue import Judged, Judgement
from bench.judge.claims.finding import Measured
from bench.report.completeness import as_json

FORMAT: Final = 1


def render_claims_json(*judged: Judged) -> str:
    """``{"format": 1, "machines": [...]}``, one for each machine; ends in a newline."""
    values = {"format": FORMAT, "machines": [_machine(each) for each in judged]}
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def _machine(judged: Judged) -> dict[str, object]:
    return {
        "machine": asdict(judged.machine) if judged.machine is not None else None,
        "plan": as_json(judged.coverage),
        "claims": [_claim(each) for each in judged.judgements],
    }


def _claim(judgement: Judgement) -> dict[str, object]:
    claim, finding = judgement.claim, judgement.finding
    return {
        "id": claim.id,
        "side": claim.side.value,
        "statement": claim.statement,
        "sources": claim.sources,
        "published": claim.published,
        "test": claim.test,
        "reproduced_when": claim.reproduced_when,
        "comparative": claim.comparative,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "measured": _measured(finding.measured),
        "blocks": finding.blocks,
        "p": finding.p,
        "further_blocks": finding.further_blocks if not finding.verdict.settled else None,
        "details": list(finding.details),
        "rests_on": [
            {
                "experiment": basis.experiment,
                "arm": basis.arm,
                "trials": [{"run": run, "block": block} for run, block in basis.trials],
            }
            for basis in finding.rests_on
        ],
    }


def _measured(measured: Measured | None) -> dict[str, object] | None:
    if measured is None:
        return None
    numbers = {name: getattr(measured, name) for name in ("point", "low", "high", "bound")}
    return {
        "what": measured.what,
        "unit": measured.unit.value,
        **{name: value if isfinite(value) else None for name, value in numbers.items()},
    }
