# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render measures in Bencher Metric Format: subjects as benchmarks, numbers as their measures."""

from __future__ import annotations

import json
from typing import Any

from bench.report.document import Document, measures


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return one JSON object for ``bencher run --adapter json``."""
    found: dict[str, dict[str, Any]] = {}
    for measure in measures(documents):
        slug = measure.number.replace("_", "-")  # as Bencher derives it from the name
        metric = {
            "value": measure.value,
            "lower_value": measure.low,
            "upper_value": measure.high,
        }
        known = {name: value for name, value in metric.items() if value is not None}
        found.setdefault(measure.subject, {})[slug] = known
    return json.dumps(found, indent=2, allow_nan=False) + "\n"
