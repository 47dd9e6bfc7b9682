# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The terminal, or the pipe, that a report is shown on."""

from __future__ import annotations

from rich.console import Console


class Screen(Console):
    """A console that leaves a reader who has gone to the command line, as any other error.

    rich would end the program with exit code 1: `bufbench report FILE | head` is no failure.
    """

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that rich has caught."""
        raise  # noqa: PLE0704  called while it is handled
