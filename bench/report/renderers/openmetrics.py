# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render measures and checks as OpenMetrics, for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.errors import clean
from bench.report.document import Document, Labels, checks, measures

_Samples = list[tuple[Labels, float]]


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return a gauge for each number, two for its interval, and one for all checks."""
    families: dict[str, _Samples] = {}
    for each in measures(documents):
        name = f"bufbench_{each.number}"
        for suffix, value in (("", each.value), ("_low", each.low), ("_high", each.high)):
            if value is not None:
                families.setdefault(name + suffix, []).append((each.labels, value))
    results: _Samples = [
        ((("check", each.name), ("outcome", each.outcome.value)), 1.0) for each in checks(documents)
    ]
    if results:
        families["bufbench_check"] = results
    lines = [line for name, samples in families.items() for line in _family(name, samples)]
    return "\n".join((*lines, "# EOF")) + "\n"


def _family(name: str, samples: _Samples) -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
        yield f"{name}{{{written}}} {float(value)!r}"


def _escaped(text: str) -> str:
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')
