# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Options that several commands have, and how options are checked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, TypeVar

import click
import typer
import typer.core
from click.core import ParameterSource
from typer import Option

from bench.errors import UsageError
from bench.report import renderers
from bench.tracer.transports import names

_T = TypeVar("_T")

Journal = Annotated[
    Path | None, Option("--output", help="Journal to write; results/NAME-TIME.jsonl by default.")
]
Seed = Annotated[int, Option("--seed", help="Of the blocks' random order.")]
Wait = Annotated[bool, Option("--wait", help="Wait until no other measurement runs.")]
Transports = Annotated[
    list[str] | None, Option("--transport", help=f"{', '.join(names())}; may be repeated.")
]
Gates = Annotated[
    list[str] | None,
    Option("--fail-on", help="Exit 1 on these: drops, causal, ringbuf:drops ...; repeatable."),
]
Sources = Annotated[
    Path | None, Option("--sources", help="Take this kernels.toml.", metavar="FILE")
]
AsJson = Annotated[bool, Option("--json", help="One JSON document.")]

Full = Annotated[bool, Option("--full", help="Show every comparison, not only the decision.")]


def format_option(*more: str) -> object:
    """Return --format, which takes every renderer's name and ``more``."""
    forms = click.Choice([*renderers.names(), *more])
    return Option("--format", click_type=forms, help="How to write it.")


AsFormat = Annotated[str, format_option()]


def given(context: typer.Context, name: str) -> bool:
    """Return whether the option stands on the command line."""
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def refuse(context: typer.Context, why: str, *names: str) -> None:
    """Raise UsageError for the first of these options that was given: it would have no effect."""
    for option in context.command.params:
        if option.name in names and given(context, option.name):
            raise UsageError(f"{option.opts[0]} has no effect {why}", remedy="leave it out")


def each_once(option: str, values: list[_T] | None) -> list[_T]:
    """Return the values of a repeatable option; UsageError where two are the same."""
    if values and len(set(values)) < len(values):
        raise UsageError(f"{option} names one twice", remedy="name each once")
    return values or []


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


def plain_app(cls: type[typer.core.TyperGroup] | None = None) -> typer.Typer:
    """Return an application without what makes Typer slow to start."""
    return typer.Typer(
        cls=cls,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
