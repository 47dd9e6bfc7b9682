# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Options that several commands share, and checks of options."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

import click
import typer
import typer.core
from click.core import ParameterSource
from typer import Option

from bench.cli import settings
from bench.cli.values import Size, Time
from bench.errors import UsageError
from bench.report import renderers
from bench.tracer.transports import names

_T = TypeVar("_T")

of_storm: Final = partial(Option, rich_help_panel="Storm")
"""Make an option of this panel; help shows panels in the order of their first options."""
of_tracer: Final = partial(Option, rich_help_panel="Tracer")
of_consumer: Final = partial(Option, rich_help_panel="Consumer")
of_guest: Final = partial(Option, rich_help_panel="Guest")
of_run: Final = partial(Option, rich_help_panel="Run")
of_output: Final = partial(Option, rich_help_panel="Output")
_ARGUMENTS, _OTHERS = "Arguments", "Other options"

TRANSPORTS: Final = ", ".join(names())
Journal = Annotated[
    Path | None, of_output("--output", help="Journal to write; results/NAME-TIME.jsonl by default.")
]
Seed = Annotated[int, of_run("--seed", help="Seed of the random order within blocks.")]
Wait = Annotated[bool, of_run("--wait", help="Wait until no other measurement runs.")]
_GATES: Final = (
    "Exit 1 on drops (records lost) or causal (order violated); on one transport as "
    f"TRANSPORT:drops, with TRANSPORT one of {TRANSPORTS}. Separated by commas; repeatable."
)
Gates = Annotated[list[str] | None, of_output("--fail-on", help=_GATES, metavar="GATES")]
Sources = Annotated[
    Path | None, of_run("--sources", help="Read this kernels.toml.", metavar="FILE")
]
DryRun = Annotated[
    bool, of_run("--dry-run", help="Print the plan and how long it takes; run nothing.")
]
AsJson = Annotated[bool, of_output("--json", help="Print one JSON document.")]

Full = Annotated[bool, of_output("--full", help="Show every comparison, not only the decision.")]


def format_option(*more: str) -> object:
    """Return --format, which takes every renderer's name and ``more``."""
    forms = click.Choice([*renderers.names(), *more])
    return of_output("--format", click_type=forms, help="Output format.")


AsFormat = Annotated[str, format_option()]
AsJsonForm = Annotated[bool, of_output("--json", help="The same as --format json.")]


def form_of(form: str, as_json: bool) -> str:
    """Return the form that --format and --json ask for; UsageError where they contradict."""
    if as_json and form not in ("text", "json"):
        raise UsageError(f"--json contradicts --format {form}", remedy="leave one out")
    return "json" if as_json else form


def given(context: typer.Context, name: str) -> bool:
    """Return whether the option was given on the command line."""
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


class _InFull:
    """A command whose summary in a list is its first sentence, not the beginning of that."""

    help: str | None

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002
        """Return the first sentence of the help."""
        return " ".join((self.help or "").split("\n\n")[0].split())


class Group(_InFull, typer.core.TyperGroup):
    """A command of commands."""

    def invoke(self, ctx: click.Context) -> object:
        """Check which commands the settings name, then run the one that was asked for."""
        settings.check_commands(ctx, tuple(self.commands))
        return super().invoke(ctx)


class Command(_InFull, typer.core.TyperCommand):
    """A command whose help groups options, and which refuses a second value where one is taken."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write arguments, then options by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for each in self.get_params(ctx):
            if record := help_record(each, ctx):
                panels.setdefault(panel(each), []).append(record)
        if not panels.keys() - {_ARGUMENTS, _OTHERS}:
            panels["Options"] = panels.pop(_OTHERS)
        for name in sorted(panels, key=_OTHERS.__eq__):  # the others last
            with formatter.section(name):
                formatter.write_dl(panels[name])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse what is given twice, then parse as click does; settings are defaults."""
        ctx.default_map = settings.check_options(ctx)
        _, _, order = self.make_parser(ctx).parse_args(args=[*args])
        for option, times in Counter(order).items():
            single = not getattr(option, "multiple", True) and not getattr(option, "is_flag", True)
            if times > 1 and single:
                raise UsageError(f"{option.opts[0]} is given {times} times", remedy="give it once")
        return super().parse_args(ctx, args)


def help_record(parameter: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    """Return the help of a parameter; a default with a unit is shown as it would be typed."""
    record, default = parameter.get_help_record(context), parameter.default
    if record is None or default is None or not isinstance(parameter.type, Size | Time):
        return record
    typed = parameter.type.typed(default)
    return record[0], record[1].replace(f"[default: {default}]", f"[default: {typed}]")


def panel(parameter: click.Parameter) -> str:
    """Return the heading of a parameter in the help."""
    if parameter.param_type_name == "argument":
        return _ARGUMENTS
    return getattr(parameter, "rich_help_panel", None) or _OTHERS


def plain_app(cls: type[typer.core.TyperGroup] | None = None) -> typer.Typer:
    """Return an application without what makes Typer slow to start."""
    return typer.Typer(
        cls=cls,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
