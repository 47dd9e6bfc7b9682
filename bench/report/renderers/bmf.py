# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measures in Bencher Metric Format: each subject a benchmark, each number a measure of it."""

from __future__ import annotations

import json
from typing import Any

from bench.report.document import Document, Measure, measures


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return one JSON object for ``bencher run --adapter json``."""
    found: dict[str, dict[str, Any]] = {}
    for measure in measures(documents):
        slug = measure.number.replace("_", "-")  # that Bencher makes of a name
        found.setdefault(measure.subject, {})[slug] = _metric(measure)
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def _metric(measure: Measure) -> dict[str, float]:
    bounds = {"lower_value": measure.low, "upper_value": measure.high}
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"value": measure.value, **known}
