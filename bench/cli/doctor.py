# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench doctor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.output import read_or_not
from bench.errors import ExitCode

if TYPE_CHECKING:
    from bench.doctor.doctor import Finding
    from bench.doctor.probes import Need


def command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    least_privilege: Annotated[
        bool,
        typer.Option("--least-privilege", help="Try which capabilities each part needs here."),
    ] = False,
) -> None:
    """Say what this machine can and cannot do, and what would disturb a measurement.

    Exit code 0 if it can measure, 3 if it cannot; warnings do not count.

    Example: bufbench doctor --json

    Example: bufbench doctor --least-privilege
    """
    if least_privilege:
        raise typer.Exit(_least_privilege(as_json=as_json))
    from bench.doctor import doctor

    findings = doctor.examine()
    unfit = _as_json(findings) if as_json else _as_lines(findings)
    raise typer.Exit(ExitCode.MACHINE_UNFIT if unfit else ExitCode.OK)


def _least_privilege(*, as_json: bool) -> ExitCode:
    from bench.doctor import least_privilege

    needs = list(least_privilege.examine())
    if as_json:
        import json

        print(json.dumps({"parts": [asdict(need) for need in needs]}, indent=2))
    else:
        _needs_as_lines(needs)
    lacking = any(need.commands and not need.possible for need in needs)
    return ExitCode.MACHINE_UNFIT if lacking else ExitCode.OK


def _needs_as_lines(needs: list[Need]) -> None:
    """Print the parts, the remedies, and what the commands need in all."""
    from bench.doctor import least_privilege

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
        takes = ", ".join(least_privilege.together(needs, command)) or "nothing"
        does = f"cannot: {', '.join(lacking)}" if lacking else f"works with: {takes}"
        print(f"bufbench {command} {does}")
    names = [name[4:].lower() for name in least_privilege.together(needs, "run")]
    if names:
        sets = ",".join(f"+{name}" for name in names)
        print(
            "for example: setpriv --reuid USER --regid GROUP --init-groups "
            f"--inh-caps {sets} --ambient-caps {sets} bufbench trace"
        )


def _as_json(findings: Iterable[Finding]) -> bool:
    import json

    found = list(findings)
    unfit = any(finding.status == "fail" for finding in found)
    with read_or_not():
        print(json.dumps({"fit": not unfit, "findings": [asdict(f) for f in found]}, indent=2))
    return unfit


def _as_lines(findings: Iterable[Finding]) -> bool:
    """Print a line for each finding as soon as it is known, then its remedy, then the sum."""
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
