# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Options of a command line that would do nothing: refused, not recorded as if they had acted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer.core
from click.core import ParameterSource

from bench.errors import UsageError

if TYPE_CHECKING:
    import click
    import typer


def given(context: typer.Context, name: str) -> bool:
    """Return whether the option stands on the command line."""
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def refuse(context: typer.Context, why: str, *names: str) -> None:
    """Raise UsageError for the first of these options that was given."""
    for option in context.command.params:
        if option.name in names and given(context, option.name):
            raise UsageError(f"{option.opts[0]} has no effect {why}", remedy="leave it out")


class EachOnce(typer.core.TyperCommand):
    """A command that refuses a second value of an option that takes one: the first would go."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, once that is known."""
        _, _, order = self.make_parser(ctx).parse_args(args=[*args])
        for option, times in Counter(order).items():
            single = not getattr(option, "multiple", True) and not getattr(option, "is_flag", True)
            if times > 1 and single:
                raise UsageError(f"{option.opts[0]} is given {times} times", remedy="give it once")
        return super().parse_args(ctx, args)
