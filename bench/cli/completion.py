# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench completion: scripts with which shells ask bufbench what may be typed."""

from __future__ import annotations

import os
from typing import Annotated, Final

import click
import typer
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
)

from bench.cli import COMPLETED

SHELLS: Final[dict[str, type[ShellComplete]]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}
_SHELL = typer.Argument(click_type=click.Choice([*SHELLS]), help="bash, zsh or fish.")


def command(context: typer.Context, shell: Annotated[str, _SHELL]) -> None:
    """Print the script that completes bufbench's commands, options and names in a shell.

    Put it into ~/.local/share/bash-completion/completions/bufbench for bash, into _bufbench in a
    folder of fpath for zsh, into ~/.config/fish/completions/bufbench.fish for fish.

    Example: bufbench completion bash > bufbench.bash
    """
    print(SHELLS[shell](context.find_root().command, {}, "bufbench", COMPLETED).source())


def answer(group: click.Command) -> bool:
    """Print the completions that a shell's script requests; return False without a request."""
    shell, _, action = os.environ[COMPLETED].partition("_")
    if shell not in SHELLS or action != "complete" or "COMP_CWORD" not in os.environ:
        return False
    made = SHELLS[shell](group, {}, "bufbench", COMPLETED)
    words, begun = made.get_completion_args()
    # Typer's type of paths completes nothing; its shells then complete files by themselves.
    found = made.get_completions(words, begun) or [CompletionItem(begun, type="file")]
    print(*map(made.format_completion, found), sep="\n")
    return True
