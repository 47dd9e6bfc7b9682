# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet: certificates, scheduler, worker, run, report."""

from __future__ import annotations

from bench.cli.fleet import certificates, report, run, scheduler, worker
from bench.cli.options import Command, Group, plain_app

app = plain_app(Group)


@app.callback()
def _fleet() -> None:
    """Run one plan on each machine of a fleet, by Dask, and judge what they say together.

    A client of the scheduler can run code as root on its workers: off loopback all sides need
    certificates. docs/fleet.md has more.

    Example: bufbench fleet run --local --profile quick --output results/fleet

    Example: bufbench fleet report results/fleet/*.jsonl
    """


app.command("certificates", cls=Command)(certificates.command)
app.command("scheduler", cls=Command)(scheduler.command)
app.command("worker", cls=Command)(worker.command)
app.command("run", cls=Command)(run.command)
app.command("report", cls=Command)(report.command)
