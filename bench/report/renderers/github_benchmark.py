# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render measures for which less is better, as the list that github-action-benchmark reads.

The action's tool is ``customSmallerIsBetter``. The rest is in ``github-benchmark-bigger``: the
action accepts one direction at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from bench.errors import clean
from bench.report.document import Document, Measure, measures


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return a JSON list of these measures."""
    return listed(each for each in measures(documents) if not each.more_is_better)


def listed(found: Iterable[Measure]) -> str:
    """Return measures as the action's list, each under its key."""
    return json.dumps([*map(_entry, found)], indent=2, allow_nan=False) + "\n"


def _entry(measure: Measure) -> dict[str, Any]:
    entry = {"name": measure.key, "unit": measure.unit, "value": measure.value}
    if measure.low is not None and measure.high is not None:
        entry["range"] = f"{measure.low:.4g} to {measure.high:.4g}"
    return {**entry, "extra": clean(measure.name)}
