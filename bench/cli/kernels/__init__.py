# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels: list, fetch, prune, run, report, exact, bisect."""

from __future__ import annotations

from bench.cli.kernels import available, bisect, exact, run
from bench.cli.options import group

app = group(
    """Compare kernels: fetch them from distributions, boot them in guests, report on all.

    Nothing is installed, and nothing on this machine is changed. docs/kernels.md has more.

    Example: bufbench kernels run 5.10 6.1 6.12 7.3
    """,
    {
        "list": available.list_kernels,
        "fetch": available.fetch,
        "prune": available.prune,
        "run": run.command,
        "report": run.report,
        "exact": exact.command,
        "bisect": bisect.command,
        "bisect-step": bisect.step,
    },
)
