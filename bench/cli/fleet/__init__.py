# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet: report."""

from __future__ import annotations

import typer

from bench.cli import settings
from bench.cli.fleet import report
from bench.cli.options import Command, Group, plain_app

app = plain_app(Group)


@app.callback()
def _fleet(context: typer.Context) -> None:
    """Ask many machines one question, and judge what they say together. docs/fleet.md has more.

    Example: bufbench fleet report results/*/journal.jsonl
    """
    group = context.command
    settings.check_commands(context, tuple(getattr(group, "commands", ())))


app.command("report", cls=Command)(report.command)
