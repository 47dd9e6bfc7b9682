# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench doctor."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import ExitCode

if TYPE_CHECKING:
    from bench.doctor import Finding


def command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say what this machine can and cannot do, and what would disturb a measurement.

    Exit code 0 if it can measure, 3 if it cannot; warnings do not count.

    Example: bufbench doctor --json
    """
    from bench import doctor

    findings = doctor.examine()
    unfit = _as_json(findings) if as_json else _as_lines(findings)
    sys.exit(ExitCode.MACHINE_UNFIT if unfit else ExitCode.OK)


def _as_json(findings: Iterable[Finding]) -> bool:
    import json

    found = list(findings)
    unfit = any(finding.status == "fail" for finding in found)
    print(json.dumps({"fit": not unfit, "findings": [asdict(f) for f in found]}, indent=2))
    return unfit


def _as_lines(findings: Iterable[Finding]) -> bool:
    """One line a finding, as soon as it is known, then its remedy, then the sum."""
    counts = {"ok": 0, "warn": 0, "fail": 0}
    for finding in findings:
        counts[finding.status] += 1
        print(f"{finding.status:4}  {finding.name:20} {finding.seen}", flush=True)
        if finding.remedy:
            print(f"{'':27}-> {finding.remedy}")
    able = "cannot" if counts["fail"] else "can"
    print(f"This machine {able} measure ({counts['fail']} fail, {counts['warn']} warn).")
    return bool(counts["fail"])
