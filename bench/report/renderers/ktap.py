# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Render claims and gates like the kernel's test results: KTAP, version 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.errors import in_a_line
from bench.report.document import Check, Document, Passing, checks


def render(*documents: Document, data: Any = None) -> str:  # noqa: ARG001
    """Return a plan and a result for each check, its reason on the line before."""
    found = checks(documents)
    plan = f"1..{len(found)}" if found else "1..0 # SKIP there is no claim and no gate"
    lines = ["KTAP version 1", plan]
    for number, check in enumerate(found, 1):
        lines += _lines(number, check)
    return "\n".join(lines) + "\n"


def _lines(number: int, check: Check) -> Iterator[str]:
    """Yield the lines of one result; a description must not hold a hash sign."""
    name, text = in_a_line(check.name).replace("#", "_"), in_a_line(check.text)
    if check.outcome is Passing.SKIPPED:
        yield f"ok {number} {name} # SKIP {text}"
    else:
        yield f"# {number} {name}: {text}"
        yield f"{'ok' if check.outcome is Passing.PASSED else 'not ok'} {number} {name}"
