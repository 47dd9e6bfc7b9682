# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read KTAP, version 1, strictly, as the kernel's documentation describes it."""

from __future__ import annotations

import re
from typing import NamedTuple


class Result(NamedTuple):
    ok: bool
    name: str
    skipped: bool
    text: str


_RESULT = re.compile(r"(ok|not ok) ([1-9][0-9]*) ([^#\s](?:[^#]*[^#\s])?)(?: # SKIP (\S.*))?")
_PLAN = re.compile(r"1\.\.(0 # SKIP \S.*|[1-9][0-9]*)")


def read(text: str) -> list[Result]:
    """Return the results; ValueError for a line that is not of the format, or a plan not kept."""
    version, plan, *lines = text.removesuffix("\n").split("\n")
    planned = _PLAN.fullmatch(plan)
    if version != "KTAP version 1" or planned is None or not text.endswith("\n"):
        raise ValueError(f"{version!r}, {plan!r}")
    results: list[Result] = []
    for line in lines:
        if line.startswith("# ") and line.isprintable() and not line.startswith("# Subtest:"):
            continue
        found = _RESULT.fullmatch(line)
        if found is None or not line.isprintable() or int(found[2]) != len(results) + 1:
            raise ValueError(line)
        results.append(Result(found[1] == "ok", found[3], found[4] is not None, found[4] or ""))
    if len(results) != int(planned[1].partition(" ")[0]):
        raise ValueError(f"{len(results)} results, planned {plan}")
    return results
