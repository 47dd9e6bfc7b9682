# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels: list, fetch, prune, run, report.

Each is the function ``command`` of a module bench/cli/kernels_NAME.py, loaded when it is called.
"""

from __future__ import annotations

from typing import Final

from bench.cli.lazy import group_of, plain_app

COMMANDS: Final = ("list", "fetch", "prune", "run", "report")
"""In the order in which the help shows them; a new one is a file kernels_NAME.py and its name."""

app = plain_app(group_of(COMMANDS, "bench.cli.kernels_"))


@app.callback()
def _kernels() -> None:
    """Compare kernels: fetch them from distributions, boot them in guests, report on all.

    Nothing is installed, and nothing of this machine's is changed. docs/kernels.md has more.

    Example: bufbench kernels run 5.10 6.1 6.12 7.3
    """
