# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The terminal, or the pipe, that a report is shown on."""

from __future__ import annotations

from rich.console import Console

from bench.report.text import WIDTH


class Screen(Console):
    """Standard output. Off a terminal it is as wide as tables get, not rich's 80 columns.

    A reader who has gone is left to the command line, as any other error: rich would end the
    program with exit code 1, and `bufbench report FILE | head` is no failure.
    """

    def __init__(self) -> None:
        super().__init__()
        if not self.is_terminal:
            self.width = WIDTH

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that rich has caught."""
        raise  # noqa: PLE0704  called while it is handled
