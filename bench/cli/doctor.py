# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench doctor."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import AsJson
from bench.cli.output import read_or_not
from bench.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.doctor.doctor import Finding
    from bench.doctor.least_privilege import Need

_LEAST = typer.Option("--least-privilege", help="Try which capabilities each part needs here.")


def command(*, as_json: AsJson = False, least_privilege: Annotated[bool, _LEAST] = False) -> None:
    """Say what this machine can and cannot do, and what would disturb a measurement.

    Exit code 0 if it can measure, 3 if it cannot; warnings do not count.

    Example: bufbench doctor --json

    Example: bufbench doctor --least-privilege
    """
    if least_privilege:
        from bench.doctor.least_privilege import examine as examine_needs

        needs = list(examine_needs())
        unfit = any(need.commands and not need.possible for need in needs)
        if as_json:
            print(json.dumps({"parts": [asdict(need) for need in needs]}, indent=2))
        else:
            _print_needs(needs)
    else:
        from bench.doctor import doctor

        show = _print_json if as_json else _print_lines
        unfit = show(doctor.examine())
    raise typer.Exit(ExitCode.MACHINE_UNFIT if unfit else ExitCode.OK)


def _print_needs(needs: list[Need]) -> None:
    """Print the parts, the remedies, and what the commands need in all."""
    from bench.doctor.least_privilege import together

    print(f"{'PART':<34} {'NEEDS':<38} {'NEEDED BY':<11} WITHOUT IT")
    for need in needs:
        takes = ", ".join(need.capabilities) or "nothing"
        if not need.possible:
            takes = f"not granted here: {need.refused}"
        print(f"{need.name:<34} {takes:<38} {need.commands or '-':<11} {need.otherwise}")
        if need.remedy:
            print(f"{'':34} -> {need.remedy}")
    for command in ("trace", "run"):
        lacking = [need.name for need in needs if command in need.commands and not need.possible]
        takes = ", ".join(together(needs, command)) or "nothing"
        does = f"cannot: {', '.join(lacking)}" if lacking else f"works with: {takes}"
        print(f"bufbench {command} {does}")
    if sets := ",".join(f"+{name[4:].lower()}" for name in together(needs, "run")):
        print(
            "for example: setpriv --reuid USER --regid GROUP --init-groups "
            f"--inh-caps {sets} --ambient-caps {sets} bufbench trace"
        )


def _print_json(findings: Iterable[Finding]) -> bool:
    """Print all findings as JSON; return whether one is a failure."""
    found = list(findings)
    unfit = any(finding.status == "fail" for finding in found)
    with read_or_not():
        print(json.dumps({"fit": not unfit, "findings": [asdict(f) for f in found]}, indent=2))
    return unfit


def _print_lines(findings: Iterable[Finding]) -> bool:
    """Print each finding as soon as it is known, then the sum; return whether one is a failure."""
    counts = {"ok": 0, "warn": 0, "fail": 0}
    for finding in findings:
        counts[finding.status] += 1
        with read_or_not():
            print(f"{finding.status:4}  {finding.name:20} {finding.seen}")
            if finding.remedy:
                print(f"{'':27}-> {finding.remedy}")
    able = "cannot" if counts["fail"] else "can"
    print(f"This machine {able} measure ({counts['fail']} fail, {counts['warn']} warn).")
    return bool(counts["fail"])
