# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench doctor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import AsJson, of_run
from bench.cli.output import answer, read_or_not
from bench.errors import ExitCode

if TYPE_CHECKING:
    from bench.doctor.least_privilege import Need

_LEAST = of_run("--least-privilege", help="Try out which capabilities each part needs.")


def command(*, as_json: AsJson = False, least_privilege: Annotated[bool, _LEAST] = False) -> None:
    """Check whether this machine can measure, and what would disturb a measurement.

    Exit code 0 if it can measure, 3 if it cannot; warnings do not count.

    Example: bufbench doctor --json

    Example: bufbench doctor --least-privilege
    """
    unfit = _show_needs(as_json) if least_privilege else _show_findings(as_json)
    raise typer.Exit(ExitCode.MACHINE_UNFIT if unfit else ExitCode.OK)


def _show_needs(as_json: bool) -> bool:
    """Print the parts, the remedies, and the commands' needs; return whether one is unmet."""
    from bench.doctor.least_privilege import Needs, examine, together

    needs = list(examine())
    unfit = any(need.commands and not need.possible for need in needs)
    if as_json:
        answer("json", (), Needs(parts=tuple(needs)))
        return unfit
    _print_table(needs)
    for command in ("trace", "run"):
        lacking = [need.name for need in needs if command in need.commands and not need.possible]
        takes = ", ".join(together(needs, command)) or "nothing"
        does = f"cannot: {', '.join(lacking)}" if lacking else f"works with: {takes}"
        print(_wrapped("", f"bufbench {command} {does}"))
    if sets := ",".join(f"+{name[4:].lower()}" for name in together(needs, "run")):
        print("for example: setpriv --reuid USER --regid GROUP --init-groups \\")
        print(f"    --inh-caps {sets} \\\n    --ambient-caps {sets} bufbench trace")
    return unfit


def _print_table(needs: Sequence[Need]) -> None:
    """Print the parts as a table, and below it the remedies, which have no place in a column."""
    from rich.table import Table
    from rich.text import Text

    from bench.report.renderers.text import Screen

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("part", "needs", "needed by", "without it"):
        table.add_column(heading)
    for need in needs:
        takes = ", ".join(need.capabilities) or "nothing"
        if not need.possible:
            takes = f"not granted here: {need.refused}"
        table.add_row(*map(Text, (need.name, takes, need.commands or "-", need.otherwise)))
    Screen().print(table)
    for need in needs:
        if need.remedy:
            print(_wrapped(f"{need.name} -> ", need.remedy))


def _wrapped(head: str, text: str) -> str:
    """Return ``text`` after ``head``, wrapped to the terminal's width, or to 80 columns."""
    from shutil import get_terminal_size
    from textwrap import fill

    return fill(
        text,
        get_terminal_size().columns,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _show_findings(as_json: bool) -> bool:
    """Print each finding once it is known, or all as JSON; return whether one is a failure."""
    from bench.doctor import doctor

    found = []
    for finding in doctor.examine():
        found.append(finding)
        with read_or_not():
            if not as_json:
                print(_wrapped(f"{finding.status:4}  {finding.name:20} ", finding.seen))
                if finding.remedy:
                    print(_wrapped(f"{'':27}-> ", finding.remedy))
    counts = Counter(str(finding.status) for finding in found)
    if as_json:
        answer("json", (), doctor.Findings(fit=not counts["fail"], findings=tuple(found)))
    else:
        able = "cannot" if counts["fail"] else "can"
        print(f"This machine {able} measure ({counts['fail']} fail, {counts['warn']} warn).")
    return bool(counts["fail"])
