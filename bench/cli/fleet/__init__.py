# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet: certificates, scheduler, worker, run, report."""

from __future__ import annotations

from bench.cli.fleet import report, run, sides
from bench.cli.options import group


def _fleet() -> None:
    """Run one plan on each machine of a fleet, by Dask, and judge what they say together.

    A client of the scheduler can run code as root on its workers: off loopback all sides need
    certificates. docs/fleet.md has more.

    Example: bufbench fleet run --local --profile quick --output results/fleet

    Example: bufbench fleet report results/fleet/*.jsonl
    """


app = group(
    _fleet,
    {
        "certificates": sides.certificates,
        "scheduler": sides.scheduler,
        "worker": sides.worker,
        "run": run.command,
        "report": report.command,
    },
)
