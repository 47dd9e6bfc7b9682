# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels: list, fetch, prune, run, report, exact, bisect."""

from __future__ import annotations

from bench.cli.kernels import available, bisect, exact, report, run
from bench.cli.options import Command, Group, plain_app

app = plain_app(Group)


@app.callback()
def _kernels() -> None:
    """Compare kernels: fetch them from distributions, boot them in guests, report on all.

    Nothing is installed, and nothing of this machine's is changed. docs/kernels.md has more.

    Example: bufbench kernels run 5.10 6.1 6.12 7.3
    """


app.command("list", cls=Command)(available.list_kernels)
app.command("fetch", cls=Command)(available.fetch)
app.command("prune", cls=Command)(available.prune)
app.command("run", cls=Command)(run.command)
app.command("report", cls=Command)(report.command)
app.command("exact", cls=Command)(exact.command)
app.command("bisect", cls=Command)(bisect.command)
app.command("bisect-step", cls=Command)(bisect.step)
