# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render measures for which more is better, as the list that github-action-benchmark reads.

The action's tool is ``customBiggerIsBetter``; see ``github-benchmark`` for the rest.
"""

from __future__ import annotations

from typing import Any

from bench.report.document import Document, measures
from bench.report.renderers.github_benchmark import listed


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return a JSON list of these measures."""
    return listed(each for each in measures(documents) if each.more_is_better)
